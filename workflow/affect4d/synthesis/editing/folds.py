"""Folds of the skin: how an edit deepens the creases across which it compresses the face.

The strain between the two ends of a crease's gauge (`template.creases`) is linear in the
deformation; compression beyond the onset folds the skin. A fold darkens, as less of the
surroundings' light reaches its floor; where light falls from one side, the wall that faces it
darkens less. The skin beside it bulges and catches light. All of that is a factor of the picture,
given as its logarithm on the lattice of the photograph, linear in the depths of the folds. They
follow the photograph's own skin: where it has fine dark lines already, they are deeper.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.lattice import STEP, Lattice
from affect4d.synthesis.editing.scene import LUMINANCE, Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.creases import PlacedCrease, SurfacePoints

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_DEPTH = 0.5  # log of the darkening that folds approach; half of it at a compression of that
REACH = 3.0  # standard deviations beside a crease to which its fold is drawn
END_SHARE = 0.25  # of a crease's length, over which it fades out at either end
WALL_SHADE = 0.7  # share of the darkening that light along the surface adds to or takes from walls
# Variance, in squared distances of nodes, that sampling and interpolation by the lattice add.
LATTICE_VARIANCE = 0.25
FINE_MM, COARSE_MM = 0.5, 2.0  # standard deviations between which the skin's own lines lie
LINE_GAIN, LINE_BOUNDS = 0.15, (0.6, 1.5)  # per standard deviation of their darkness; bounds of it
MIN_CONTRAST = 0.01  # log; less is the camera's noise
DEVIATION = 1.4826  # standard deviations per median absolute deviation
MIN_LENGTH_MM = 1e-3


class _Entries(NamedTuple):
    """A sparse matrix from points of creases to nodes: rows, points and weights (n,)."""

    nodes: Ints
    points: Ints
    weights: Floats


class Folds:
    """The stage, for one photograph.

    Parameters
    ----------
    light : (2,), along x and y of the picture: how much brighter a surface gets that turns there
    box : rows and columns of the lattice's nodes among which folds are drawn
    """

    def __init__(
        self,
        scene: Scene,
        mesh: VisibleSubmesh,
        lattice: Lattice,
        *,
        light: Floats,
        box: tuple[slice, slice],
    ) -> None:
        creases = scene.anatomy.creases
        self._gauges = _gauges(creases, scene.vertices)
        positions = lattice.interpolate(scene.vertices[mesh.vertices][..., None])[..., 0]
        turn = scene.motion[:2].T @ light / np.float32(scene.scale)
        variance = LATTICE_VARIANCE * (STEP / scene.scale) ** 2
        self._entries = _Entries(
            *_entries(
                np.ascontiguousarray(positions[box]).reshape(-1, 3),
                np.ascontiguousarray(lattice.nodes[box]).ravel(),
                _line_gain(scene, lattice.nodes)[box].ravel(),
                *_lines(creases, scene.vertices),
                turn.astype(np.float32),
                np.float32(variance),
            )
        )

    def depths(self, deformations: Floats) -> Floats:
        """(P, B), how deep B deformations (V, 3, B), mm, fold the points of the creases.

        It is the logarithm of the darkening, 0 where the skin is not compressed.
        """
        return _depths(deformations, *self._gauges)

    def add(self, logs: Floats, depths: Floats) -> None:
        """Add the logarithms of the factors of B edits to (h, w, B), the box, in place."""
        _add(logs.reshape(-1, logs.shape[2]), depths, *self._entries)


def _gauges(
    creases: Sequence[PlacedCrease], vertices: Floats
) -> tuple[NDArray[np.int32], Floats, Floats]:
    """Of all gauges: vertices (P, 6), gradient of the strain (P, 6, 3), gain and onset (P, 2).

    The strain is the sum of the vertices' displacements, weighted by the gradient.
    """
    first = SurfacePoints.joined(placed.first for placed in creases)
    second = SurfacePoints.joined(placed.second for placed in creases)
    across = first.on(vertices) - second.on(vertices)
    across /= np.maximum((across**2).sum(1, keepdims=True), MIN_LENGTH_MM**2)
    weights = np.concatenate([first.weights, -second.weights], axis=1)
    corners = np.concatenate([first.vertices, second.vertices], axis=1)
    counts = [len(placed.first.vertices) for placed in creases]
    laws = np.array([(placed.crease.gain, placed.crease.onset) for placed in creases], np.float32)
    laws = np.repeat(laws.reshape(-1, 2), counts, axis=0)
    return corners, weights[..., None] * across[:, None], laws


def _lines(creases: Sequence[PlacedCrease], vertices: Floats) -> tuple[Floats, Ints, Floats]:
    """Points (P, 3) of all creases' lines, mm, the first of each (C + 1,), their styles (C, 5).

    A style is the two widths, left and right of the line's direction, the bulge's share, its
    middle, positive to the left, and the line's share.
    """
    points = SurfacePoints.joined(placed.line for placed in creases).on(vertices)
    styles = []
    for placed in creases:
        share, middle = placed.crease.bulge
        widths, shade = placed.crease.widths[:: placed.side], placed.crease.shade
        styles.append([*widths, share, placed.side * middle, shade])
    starts = np.cumsum([0, *(len(placed.line.vertices) for placed in creases)])
    return points, starts.astype(np.int64), np.array(styles, np.float32).reshape(-1, 5)


def _line_gain(scene: Scene, nodes: Bools) -> Floats:
    """(h, w), how much deeper than elsewhere folds are where the skin has a fine dark line."""
    grey = np.log(np.maximum(scene.image.astype(np.float32) @ LUMINANCE, 1))
    fine, coarse = (
        cv2.GaussianBlur(grey, (0, 0), max(mm * scene.scale, 0.5))[::STEP, ::STEP]
        for mm in (FINE_MM, COARSE_MM)
    )
    darkness = coarse - fine
    contrast = DEVIATION * np.median(np.abs(darkness[nodes])) if nodes.any() else 0.0
    gain = 1 + LINE_GAIN / max(float(contrast), MIN_CONTRAST) * darkness
    return np.asarray(np.clip(gain, *LINE_BOUNDS), np.float32)


@numba.njit(cache=True)
def _nearest(
    x: np.float32, y: np.float32, z: np.float32, line: Floats
) -> tuple[np.floating, np.floating]:
    """Where a line (n, 3) is nearest to a point: place in it, and squared distance."""
    best, place = np.float32(np.inf), np.float32(0)
    zero, unit, shortest = np.float32(0), np.float32(1), np.float32(1e-6)
    for n in range(len(line) - 1):
        right, down, near = x - line[n, 0], y - line[n, 1], z - line[n, 2]
        ux, uy = line[n + 1, 0] - line[n, 0], line[n + 1, 1] - line[n, 1]
        uz = line[n + 1, 2] - line[n, 2]
        share = (ux * right + uy * down + uz * near) / max(ux * ux + uy * uy + uz * uz, shortest)
        share = min(max(share, zero), unit)
        right, down, near = right - share * ux, down - share * uy, near - share * uz
        distance = right * right + down * down + near * near
        if distance < best:
            best, place = distance, np.float32(n) + share
    return place, best


@numba.njit(cache=True)
def _entries(
    positions: Floats,
    known: Bools,
    gains: Floats,
    points: Floats,
    starts: Ints,
    styles: Floats,
    turn: Floats,
    variance: np.float32,
) -> tuple[Ints, Ints, Floats]:
    """The entries of nodes at (N, 3) mm beside the lines, by `turn` (3,) of the light."""
    nodes, ends, weights = [np.int64(0)], [np.int64(0)], [np.float32(0)]
    for c in range(len(starts) - 1):
        line, style = points[starts[c] : starts[c + 1]], styles[c]
        reach = np.float32(REACH) * max(style[0], style[1])
        if style[2] > 0:
            reach = max(reach, np.float32(2) * abs(style[3]))
        middle, radius = line[len(line) // 2], np.float32(0)
        for point in line:
            radius = max(radius, np.float32(np.sqrt(((point - middle) ** 2).sum())))
        last = np.float32(len(line) - 1)
        for node in range(len(positions)):
            if not known[node] or abs(positions[node, 1] - middle[1]) > radius + reach:
                continue
            if abs(positions[node, 0] - middle[0]) > radius + reach:
                continue
            x, y, z = positions[node, 0], positions[node, 1], positions[node, 2]
            place, distance = _nearest(x, y, z, line)
            if distance > reach * reach:
                continue
            n = min(int(place), len(line) - 2)
            along, share = line[n + 1] - line[n], place - np.float32(n)
            away = positions[node] - line[n] - share * along
            length = np.sqrt(distance)
            left = along[0] * away[1] - along[1] * away[0] > 0
            fade = min(place, last - place) / (np.float32(END_SHARE) * last)
            fade = min(fade, np.float32(1))
            weight = fade * fade * (3 - 2 * fade) * gains[node]
            light = np.float32(0)
            for k in range(3):
                light += turn[k] * away[k] / max(length, np.float32(MIN_LENGTH_MM))
            weight *= _profile(length, left, light, style, variance)
            if weight == 0:
                continue
            for end in range(2):
                nodes.append(np.int64(node))
                ends.append(np.int64(starts[c] + n + end))
                weights.append(weight * (share if end else 1 - share))
    return np.array(nodes), np.array(ends), np.array(weights)


@numba.njit(cache=True)
def _profile(
    distance: np.float32, left: bool, light: np.float32, style: Floats, variance: np.float32
) -> np.float32:
    """Logarithm of the factor beside a fold of depth 1, a distance (mm) to the left or right.

    light : how much brighter a surface gets that turns away from the line
    """
    width = style[0] if left else style[1]
    wider = np.sqrt(width * width + variance)
    steps = distance / wider
    dark = width / wider * np.exp(np.float32(-0.5) * steps * steps)
    # a wall on this side of the line faces the line
    value = -style[4] * dark * (1 + np.float32(WALL_SHADE) * light * steps)
    if style[2] > 0:
        offset = (distance if left else -distance) - style[3]
        steps = 2 * offset / abs(style[3])
        value += style[2] * np.exp(np.float32(-0.5) * steps * steps)
    return np.float32(value)


@numba.njit(cache=True)
def _depths(
    deformations: Floats, corners: NDArray[np.int32], gradients: Floats, laws: Floats
) -> Floats:
    """(P, B): the compression of each gauge beyond its onset, times its gain, saturated."""
    edits, most = deformations.shape[2], np.float32(MAX_DEPTH)
    depths = np.zeros((len(corners), edits), np.float32)
    for p in range(len(corners)):
        row, gain, onset = depths[p], laws[p, 0], laws[p, 1]
        for c in range(corners.shape[1]):
            moved = deformations[corners[p, c]]
            x, y, z = gradients[p, c]
            for e in range(edits):
                row[e] -= x * moved[0, e] + y * moved[1, e] + z * moved[2, e]
        for e in range(edits):
            depth = gain * max(row[e] - onset, np.float32(0))
            row[e] = depth / (1 + depth / most)
    return depths


@numba.njit(cache=True)
def _add(logs: Floats, depths: Floats, nodes: Ints, points: Ints, weights: Floats) -> None:
    """Add weighted depths (P, B) of points to nodes (N, B), in place."""
    for n in range(len(nodes)):
        row, depth, weight = logs[nodes[n]], depths[points[n]], weights[n]
        for e in range(len(row)):
            row[e] += weight * depth[e]
