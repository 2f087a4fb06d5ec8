"""First stage: where the photograph's pixels go, for many edits at a time.

That is linear in the deformation and needs no raster of the moved face: the raster of the face as
photographed serves every edit. Beyond what the photograph shows of the face the flow continues
harmonically (background, hair, neck), for many edits at once, as their unknown pixels are the same;
the silhouette takes its surroundings along and leaves no ghost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.eyelids import lid_shifts
from affect4d.synthesis.editing.harmonic import HarmonicExtension
from affect4d.synthesis.editing.lattice import STEP, Lattice
from affect4d.synthesis.editing.lips import ROLL_MM, lip_shifts
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.ibug68 import CHIN, LOWER_INNER_LIP_MIDDLE

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

BATCH = 32  # edits per block: enough for the widest vector instructions
# Edits that those take at a time. What is left over at the end of a longer row takes several times
# as long, so that such rows are filled up.
LANES = 16
MIN_EDGE_WEIGHT = 1e-3  # of a lid's or lip's shift; vertices with less do not go with it
# How far the lower lip is drawn down before the lower teeth (depressor labii inferioris; by eye).
MAX_BARED_MM = 3.0
MIN_AREA_PX = 1e-6  # pixels^2, twice a triangle's: smaller ones hide and show nothing


@dataclass(frozen=True)
class EditFlow:
    """One edit's forward flow.

    Attributes
    ----------
    mesh : the photograph's VisibleSubmesh
    change : (U, 3), pixels (x, y, depth), how far its vertices move
    jaw : (3,), pixels (x, y, depth), how far the jaw moves
    flow : (h, w, 2), pixels: where each node of the photograph's lattice goes
    facing : (n,), which of the submesh's hidden triangles face the viewer after the move
    flipped : share of the visible triangles' area in the photograph that turns away
    folded : share of the photograph's face over which the flow folds
    """

    mesh: VisibleSubmesh
    change: Floats
    jaw: Floats
    flow: Floats
    facing: Bools
    flipped: float
    folded: float

    def positions(self, vertices: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Positions (n, 2) and depths (n,), pixels, of vertices (n,) of the submesh."""
        return _positions(self.mesh.xy, self.mesh.depth, self.change, vertices)


@dataclass(frozen=True)
class BlockFlow:
    """The forward flows of B edits made together.

    Attributes
    ----------
    change : (h, w, 3, B or more), pixels (x, y, depth), how far nodes of the lattice move
    edits : B
    """

    change: Floats
    edits: list[EditFlow]


def stack_deformations(
    deformations: Sequence[NDArray[np.floating]], intensity: float = 1.0
) -> list[Floats]:
    """Deformations in blocks (V, 3, B), mm, of edits that are made together.

    Parameters
    ----------
    deformations : N arrays (V, 3), mm, smoothed and tapered
    intensity : scales them
    """
    scale = np.float32(intensity)
    return [
        scale * np.stack(deformations[start : start + BATCH], axis=2, dtype=np.float32)
        for start in range(0, len(deformations), BATCH)
    ]


class ForwardFlow:
    """The stage, for one photograph.

    Parameters
    ----------
    roll_mm, thinning : of `lips.lip_shifts`
    blink, raised_mm : of `eyelids.lid_shifts`
    """

    def __init__(
        self,
        scene: Scene,
        mesh: VisibleSubmesh,
        lattice: Lattice,
        *,
        roll_mm: float = ROLL_MM,
        thinning: float = 0.0,
        blink: float = 0.0,
        raised_mm: float = 0.0,
    ) -> None:
        self._scene, self._mesh, self._lattice = scene, mesh, lattice
        self._lips = {"roll_mm": roll_mm, "thinning": thinning}
        self._lids = {"blink": blink, "raised_mm": raised_mm}
        self._hidden = mesh.triangles[mesh.hidden]
        border = np.ones(lattice.nodes.shape, dtype=bool)
        border[1:-1, 1:-1] = False
        fixed = lattice.far[::STEP, ::STEP] | border
        self._extension = HarmonicExtension(lattice.nodes | fixed)

    def __call__(self, deformations: Floats) -> BlockFlow:
        """The flows of B edits by deformations (V, 3, B), mm, smoothed and tapered."""
        mesh, nodes = self._mesh, self._lattice.nodes
        change = self._change(deformations)
        at_nodes = self._lattice.interpolate(change)
        flows = self._extension(at_nodes[:, :, :2].reshape(*nodes.shape, -1))
        facing = _facing(self._hidden, mesh.xy, change, np.float32(MIN_AREA_PX))
        facing = np.ascontiguousarray(facing.T)
        flipped = _flipped(mesh.visible, mesh.xy, mesh.areas, change)
        folded = _folded(flows, nodes).astype(np.float64) / max(int(nodes.sum()), 1)
        jaw = _jaw(deformations, self._scene.anatomy.landmark_vertices)
        edits = [
            EditFlow(
                mesh=mesh,
                change=change[..., edit],
                jaw=self._scene.motion @ jaw[:, edit],
                flow=flow,
                facing=facing[edit],
                flipped=float(flipped[edit]),
                folded=float(folded[edit]),
            )
            for edit, flow in enumerate(unstack(flows)[: deformations.shape[2]])
        ]
        return BlockFlow(at_nodes, edits)

    def _change(self, deformations: Floats) -> Floats:
        """How far the submesh's vertices move: (U, 3, B or more), pixels (x, y, depth)."""
        mesh, scene, edits = self._mesh, self._scene, deformations.shape[2]
        columns = edits if edits < LANES else -(-edits // LANES) * LANES
        change = np.empty((len(mesh.vertices), 3, columns), np.float32)
        change[..., edits:] = 0
        motion = np.ascontiguousarray(scene.motion)
        lips = lip_shifts(scene, deformations, **self._lips)
        shifts = np.concatenate([lid_shifts(scene, deformations, **self._lids), lips])
        _project(deformations, mesh.vertices, motion, mesh.nearness, mesh.edges, shifts, change)
        return change


def _jaw(deformations: Floats, landmarks: NDArray[np.int64]) -> Floats:
    """How far the jaw moves in edits (V, 3, B): (3, B), mm.

    Beside the chin, skin moves less than the jaw does; and skin stretches over the chin, so that
    the lower lip, which bares few of the lower teeth, tells more of a jaw that drops.
    """
    jaw: Floats = deformations[landmarks[CHIN]].copy()
    lip = deformations[landmarks[LOWER_INNER_LIP_MIDDLE], 1]
    jaw[1] = np.minimum(jaw[1], lip + np.float32(MAX_BARED_MM))
    return jaw


@numba.njit(cache=True)
def _positions(
    xy: Floats, depth: Floats, change: Floats, vertices: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Positions (n, 2) and depths (n,) of some vertices after their change."""
    positions = np.empty((len(vertices), 2), np.float32)
    depths = np.empty(len(vertices), np.float32)
    for n in range(len(vertices)):
        v = vertices[n]
        positions[n, 0], positions[n, 1] = xy[v, 0] + change[v, 0], xy[v, 1] + change[v, 1]
        depths[n] = depth[v] + change[v, 2]
    return positions, depths


@numba.njit(cache=True)
def _project(
    deformations: Floats,
    vertices: NDArray[np.int64],
    motion: Floats,
    nearness: Floats,
    edges: Floats,
    shifts: Floats,
    change: Floats,
) -> None:
    """Change in the picture of some vertices in all edits, in place."""
    edits = deformations.shape[2]
    for n in range(len(vertices)):
        v, near = vertices[n], nearness[n]
        for k in range(3):
            x, y, z = near * motion[k, 0], near * motion[k, 1], near * motion[k, 2]
            for e in range(edits):
                right, down, nearer = (
                    deformations[v, 0, e],
                    deformations[v, 1, e],
                    deformations[v, 2, e],
                )
                change[n, k, e] = x * right + y * down + z * nearer
        for edge in range(len(edges)):
            weight = edges[edge, n]
            if weight > MIN_EDGE_WEIGHT:
                for k in range(2):
                    for e in range(edits):
                        change[n, k, e] += weight * shifts[edge, k, e]


@numba.njit(cache=True)
def unstack(flows: Floats) -> Floats:
    """Flows (h, w, 2 B), x of all edits, then y, one edit after the other: (B, h, w, 2)."""
    height, width, channels = flows.shape
    edits = channels // 2
    unstacked = np.empty((edits, height, width, 2), np.float32)
    for j in range(height):
        for e in range(edits):
            for i in range(width):
                unstacked[e, j, i, 0] = flows[j, i, e]
                unstacked[e, j, i, 1] = flows[j, i, edits + e]
    return unstacked


@numba.njit(cache=True)
def _facing(triangles: Ints, xy: Floats, change: Floats, min_area: np.float32) -> Bools:
    """(n, B) bool: triangles (n, 3) that face the viewer with at least an area, in each edit."""
    edits = change.shape[2]
    facing = np.empty((len(triangles), edits), np.bool_)
    for n in range(len(triangles)):
        p, q, r = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ux, uy = xy[q, 0] - xy[p, 0], xy[q, 1] - xy[p, 1]
        vx, vy = xy[r, 0] - xy[p, 0], xy[r, 1] - xy[p, 1]
        for e in range(edits):
            x, y = change[p, 0, e], change[p, 1, e]
            ax, ay = ux + change[q, 0, e] - x, uy + change[q, 1, e] - y
            bx, by = vx + change[r, 0, e] - x, vy + change[r, 1, e] - y
            facing[n, e] = ay * bx - ax * by > min_area
    return facing


@numba.njit(cache=True)
def _flipped(triangles: Ints, xy: Floats, areas: Floats, change: Floats) -> Floats:
    """(B,) share of the area of visible triangles (v, 3) that turns away in each edit."""
    edits = change.shape[2]
    turned, total = np.zeros(edits, np.float32), np.float32(1e-9)
    for f in range(len(triangles)):
        area = areas[f]
        total += area
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = xy[q, 0] - xy[p, 0], xy[q, 1] - xy[p, 1]
        vx, vy = xy[r, 0] - xy[p, 0], xy[r, 1] - xy[p, 1]
        for e in range(edits):
            x, y = change[p, 0, e], change[p, 1, e]
            ax, ay = ux + change[q, 0, e] - x, uy + change[q, 1, e] - y
            bx, by = vx + change[r, 0, e] - x, vy + change[r, 1, e] - y
            turned[e] += area * np.float32(ay * bx - ax * by <= 0)
    return turned / total


@numba.njit(cache=True)
def _folded(flows: Floats, known: Bools) -> Floats:
    """(B,) float32: at how many known nodes each of the flows (h, w, 2 B) folds.

    There its Jacobian is not positive.
    """
    height, width, channels = flows.shape
    edits, step = channels // 2, np.float32(STEP)
    count = np.zeros(edits, np.float32)
    for j in range(height - 1):
        for i in range(width - 1):
            if not (known[j, i] and known[j, i + 1] and known[j + 1, i]):
                continue
            here, right, below = flows[j, i], flows[j, i + 1], flows[j + 1, i]
            for e in range(edits):
                xx, yx = step + right[e] - here[e], below[e] - here[e]
                xy = right[edits + e] - here[edits + e]
                yy = step + below[edits + e] - here[edits + e]
                count[e] += np.float32(xx * yy - xy * yx <= 0)
    return count
