"""What an edit does to the picture: where pixels come from, what turns, folds, comes to light."""

from dataclasses import dataclass

import numba
import numpy as np

from affect4d.synthesis.editing.flow import apart
from affect4d.synthesis.editing.inverse_flow import STEP
from affect4d.synthesis.editing.scene import HIDDEN_MM
from affect4d.synthesis.editing.visible_mesh import Front

NOTHING = -1
BATCH = 32  # edits side by side: enough for the widest vectors
LEAST_AREA = 1e-6  # pixels^2, twice a triangle's
TORN = 1.0  # pixels a pixel: what moves apart by more has something between it


@dataclass(frozen=True)
class Motion:
    """One edit's geometry.

    Attributes
    ----------
    front : Front
    change : (U, 3) float32, pixels, how far its vertices move
    flow : (h, w, 2) float32, pixels: where each place of the photograph's lattice goes
    source : (H, W, 2) float32, pixels (x, y) of the photograph: where each pixel comes from
    revealed_faces : (H, W) int32, the Front's triangle where one shows that the photograph hides
    flipped : float, share of the visible triangles' area in the photograph that turns away
    folded : float, share of the photograph's face over which the flow folds
    revealed : float, face that the photograph hides, over the photograph's face
    """

    front: Front
    change: np.ndarray
    flow: np.ndarray
    source: np.ndarray
    revealed_faces: np.ndarray
    flipped: float
    folded: float
    revealed: float

    def moved(self, vertices):
        """Places (n, 2) and depths (n,) float32, pixels, of some vertices (n,) of the Front."""
        return _moved(self.front.xy, self.front.depth, self.change, vertices)


def side_by_side(deformations, intensity=1.0):
    """Deformations in blocks of edits that are made together.

    Parameters
    ----------
    deformations : sequence of (V, 3), mm, settled
    intensity : float, scales them

    Returns
    -------
    list of (V, 3, B) float32
    """
    scale = np.float32(intensity)
    return [
        scale * np.stack(deformations[start : start + BATCH], axis=2, dtype=np.float32)
        for start in range(0, len(deformations), BATCH)
    ]


def motions(flow, change):
    """The Motions of B edits of a photograph, one after another.

    Parameters
    ----------
    flow : Flow of the photograph's Scene
    change : (U, 3, B) float32, pixels, as of `Flow.change`

    Yields
    ------
    Motion
    """
    front = flow.front
    flipped = _flipped(front.visible, front.xy, front.areas, change)
    towards = np.ascontiguousarray(_towards(front.triangles, front.hidden, front.xy, change).T)
    seen, cells = max(len(flow.corners), 1), max(np.count_nonzero(flow.lattice), 1)
    margin = np.float32(HIDDEN_MM * flow.scene.scale)
    flows = flow.flows(change)
    folded = _folded(flows, flow.lattice)
    for edit, own in enumerate(apart(flows)):
        change_of = change[..., edit]
        source = flow.map(own, change_of)
        hidden = front.hidden[towards[edit]]
        places = front.triangles, hidden, front.xy, front.depth, change_of
        revealed, shown = _uncover(*places, source, own, flow.shown, margin)
        yield Motion(
            front=front,
            change=change_of,
            flow=own,
            source=source,
            revealed_faces=revealed,
            flipped=float(flipped[edit]),
            folded=float(folded[edit] / cells),
            revealed=shown / seen,
        )


@numba.njit(cache=True, fastmath=True)
def _moved(xy, depth, change, vertices):
    """Places (n, 2) and depths (n,) of some vertices after their change."""
    places, depths = np.empty((len(vertices), 2), np.float32), np.empty(len(vertices), np.float32)
    for n in range(len(vertices)):
        v = vertices[n]
        places[n, 0], places[n, 1] = xy[v, 0] + change[v, 0], xy[v, 1] + change[v, 1]
        depths[n] = depth[v] + change[v, 2]
    return places, depths


@numba.njit(cache=True, fastmath=True)
def _flipped(triangles, xy, areas, change):
    """Share of the visible triangles' area that turns away, for each edit."""
    edits = change.shape[2]
    turned, whole = np.zeros(edits, np.float32), np.float32(1e-9)
    for f in range(len(triangles)):
        whole += areas[f]
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = xy[q, 0] - xy[p, 0], xy[q, 1] - xy[p, 1]
        vx, vy = xy[r, 0] - xy[p, 0], xy[r, 1] - xy[p, 1]
        first, second, third = change[p], change[q], change[r]
        for e in range(edits):
            ax, ay = ux + second[0, e] - first[0, e], uy + second[1, e] - first[1, e]
            bx, by = vx + third[0, e] - first[0, e], vy + third[1, e] - first[1, e]
            turned[e] += areas[f] * np.float32(ay * bx <= ax * by)
    return turned / whole


@numba.njit(cache=True, fastmath=True)
def _towards(triangles, hidden, xy, change):
    """(h, B) bool: hidden triangles that do not look away, nor lack an area, in each edit."""
    edits = change.shape[2]
    towards = np.empty((len(hidden), edits), np.bool_)
    for n in range(len(hidden)):
        f = hidden[n]
        p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = xy[q, 0] - xy[p, 0], xy[q, 1] - xy[p, 1]
        vx, vy = xy[r, 0] - xy[p, 0], xy[r, 1] - xy[p, 1]
        first, second, third = change[p], change[q], change[r]
        for e in range(edits):
            ax, ay = ux + second[0, e] - first[0, e], uy + second[1, e] - first[1, e]
            bx, by = vx + third[0, e] - first[0, e], vy + third[1, e] - first[1, e]
            towards[n, e] = ay * bx - ax * by > np.float32(LEAST_AREA)
    return towards


@numba.njit(cache=True, fastmath=True)
def _folded(flows, known):
    """(B,) float32: at how many known places each of the flows (h, w, 2 B) folds.

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


@numba.njit(cache=True, fastmath=True)
def _uncover(triangles, hidden, xy, depth, change, source, flow, shown, margin):
    """The nearest of some hidden triangles at each pixel where one shows, and how many do.

    It shows where the map takes the pixel from beside the face or from where the face is torn
    apart, or lies in front of what the map shows there by more than a margin, in pixels.
    """
    height, width = shown.shape
    found = np.full((height, width), NOTHING, np.int32)
    nearest, count = np.empty((height, width), np.float32), 0
    for f in hidden:
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = xy[a, 0] + change[a, 0], xy[a, 1] + change[a, 1]
        bx, by = xy[b, 0] + change[b, 0], xy[b, 1] + change[b, 1]
        cx, cy = xy[c, 0] + change[c, 0], xy[c, 1] + change[c, 1]
        x0 = max(int(np.ceil(min(ax, bx, cx))), 0)
        x1 = min(int(np.floor(max(ax, bx, cx))), width - 1)
        y0 = max(int(np.ceil(min(ay, by, cy))), 0)
        y1 = min(int(np.floor(max(ay, by, cy))), height - 1)
        if x1 < x0 or y1 < y0:
            continue
        ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
        area = uy * vx - ux * vy
        if area <= np.float32(LEAST_AREA):
            continue
        inverse = np.float32(1) / area
        za = depth[a] + change[a, 2]
        zb, zc = depth[b] + change[b, 2] - za, depth[c] + change[c, 2] - za
        for j in range(y0, y1 + 1):
            for i in range(x0, x1 + 1):
                x, y = i - ax, j - ay
                wb, wc = (y * vx - x * vy) * inverse, (x * uy - y * ux) * inverse
                if wb < 0 or wc < 0 or wb + wc > 1:
                    continue
                z = za + wb * zb + wc * zc
                if found[j, i] != NOTHING:
                    before = nearest[j, i]
                else:
                    before = -np.float32(np.inf)
                    column, row = source[j, i, 0], source[j, i, 1]
                    n = shown[int(row + 0.5), int(column + 0.5)]
                    if n != NOTHING and not _torn(flow, int(row) // STEP, int(column) // STEP):
                        before = _depth(triangles[n], xy, depth, change, column, row) + margin
                if z > before:
                    count += found[j, i] == NOTHING
                    nearest[j, i], found[j, i] = z, f
    return found, count


@numba.njit(cache=True, fastmath=True)
def _depth(corners, xy, depth, change, x, y):
    """The new depth of a triangle where the photograph shows it; beside it, within its bounds."""
    a, b, c = corners[0], corners[1], corners[2]
    ux, uy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
    vx, vy = xy[c, 0] - xy[a, 0], xy[c, 1] - xy[a, 1]
    x, y = x - xy[a, 0], y - xy[a, 1]
    inverse, zero, one = np.float32(1) / (uy * vx - ux * vy), np.float32(0), np.float32(1)
    wb = min(max((y * vx - x * vy) * inverse, zero), one)
    wc = min(max((x * uy - y * ux) * inverse, zero), one - wb)
    za, zb, zc = depth[a] + change[a, 2], depth[b] + change[b, 2], depth[c] + change[c, 2]
    return za + wb * (zb - za) + wc * (zc - za)


@numba.njit(cache=True, fastmath=True)
def _torn(flow, row, column):
    """Whether the flow tears the cell of the lattice at a row and column apart."""
    below, right = min(row + 1, flow.shape[0] - 1), min(column + 1, flow.shape[1] - 1)
    most = np.float32(0)
    for k in range(2):
        a, b = flow[row, column, k], flow[row, right, k]
        c, d = flow[below, column, k], flow[below, right, k]
        most = max(most, abs(a - b), abs(a - c), abs(a - d), abs(b - c))
    return most > TORN * STEP
