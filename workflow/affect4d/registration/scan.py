"""Which triangles of a raw scan are skin: no seam, no stretched bridge, no floating fragment,
no inside of the mouth."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# Connected pieces of fewer triangles than this share of the largest's are fragments.
_MIN_PIECE = 0.1
# A piece whose middle is farther from the face's is another head, or a chair: a head is some 240 mm
# high.
_MAX_FROM_FACE_MM = 120.0
# A triangle whose edge is longer than this many times the median bridges a gap.
_MAX_EDGE = 10.0
# The polygon of the inner lips shrinks by this much, so that noisy landmarks do not cut the lips.
_LIP_MARGIN_MM = 1.0
_MIN_LENGTH_MM = 1e-6  # no division by zero
# One in so many triangles is measured for the median edge.
_EDGE_STEP = 16

_KEYS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)  # odd 64-bit factors (xxHash)
_KEY_X, _KEY_Y, _KEY_Z = map(np.uint64, _KEYS)


def folded_share(uv: Floats, triangles: NDArray[np.int32]) -> float:
    """Share of the triangles (F, 3) wound against most others on the plane, uv (V, 2) mm: beyond a
    third, noise folds the surface, and its outermost layer is not where the skin is."""
    turned = float((signed_area(uv, triangles) < 0).mean())
    return min(turned, 1.0 - turned)


def smooth_once(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    """Vertices (V, 3) moved two thirds to their neighbours' mean."""
    return _smooth_once(vertices, triangles)


def skin(
    vertices: NDArray[np.float32],
    uv: Floats,
    triangles: NDArray[np.int32],
    *,
    half_turn: float,
    lips: Floats,
    centre: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """The triangles of a scan that show the outside of one face.

    Excluded are fragments (connected pieces much smaller than the largest), pieces elsewhere (such
    as another head), triangles across the seam behind the head or a gap, those whose inside shows
    (through a hole one would see it; the winding that covers more of the plane is taken to be the
    outside's), and those whose centroid lies between the inner lips.

    Parameters
    ----------
    vertices : (V, 3) mm
    uv : (V, 2) mm, where they lie on the cylinder's plane
    triangles : (F, 3)
    half_turn : mm of the plane from the front to the seam
    lips : (K, 2) mm, the inner lips in order
    centre : (3,) mm, the middle of the face

    Returns
    -------
    (F,)
    """
    measured = triangles[::_EDGE_STEP]
    edge = np.linalg.norm(vertices[measured[:, 0]] - vertices[measured[:, 1]], axis=1)
    longest = _MAX_EDGE * float(np.median(edge))
    inner = _shrunk(np.asarray(lips, dtype=float)).astype(np.float32)
    keep, area = _clean(vertices, uv, triangles, longest**2, half_turn, inner)
    pieces = large_pieces(vertices, triangles, centre)
    keep &= pieces
    keep &= area > 0 if area[pieces].sum() > 0 else area < 0
    return keep


def signed_area(uv: Floats, triangles: NDArray[np.integer[Any]]) -> Floats:
    """Area (F,) of triangles in the plane, square units of `uv` (V, 2); positive where the winding
    is anticlockwise."""
    return _signed_area(np.asarray(uv), np.asarray(triangles))


def large_pieces(
    vertices: Floats, triangles: NDArray[np.int32], centre: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mask (F,) of the triangles that belong to a large connected piece near `centre` (3,) mm."""
    positions = np.ascontiguousarray(vertices, dtype=np.float32)
    return _large_pieces(
        weld(positions), positions, triangles, centre, _MAX_FROM_FACE_MM, _MIN_PIECE
    )


def weld(vertices: Floats) -> NDArray[np.int32]:
    """The first vertex at the same position, for each vertex (V,): texture seams split vertices."""
    bits = np.ascontiguousarray(vertices, dtype=np.float32).view(np.uint32)
    return _weld(bits, 1 << int(np.ceil(np.log2(max(len(bits), 2)))) + 1)


@numba.njit(cache=True)
def _weld(bits: NDArray[np.uint32], size: int) -> NDArray[np.int32]:
    table = np.full(size, -1, dtype=np.int32)  # open addressing, at most half full
    mask = np.uint64(size - 1)
    first = np.empty(len(bits), dtype=np.int32)
    for v in range(len(bits)):
        key = np.uint64(bits[v, 0]) * _KEY_X
        key ^= np.uint64(bits[v, 1]) * _KEY_Y
        key ^= np.uint64(bits[v, 2]) * _KEY_Z
        slot = (key ^ (key >> np.uint64(29))) & mask
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = v
                first[v] = v
                break
            if (
                bits[other, 0] == bits[v, 0]
                and bits[other, 1] == bits[v, 1]
                and bits[other, 2] == bits[v, 2]
            ):
                first[v] = other
                break
            slot = (slot + np.uint64(1)) & mask
    return first


@numba.njit(cache=True)
def _large_pieces(
    welded: NDArray[np.int32],
    vertices: NDArray[np.float32],
    triangles: NDArray[np.int32],
    centre: NDArray[np.float64],
    max_distance: float,
    min_share: float,
) -> NDArray[np.bool_]:
    count = len(vertices)
    parent = np.arange(count).astype(np.int32)
    for f in range(len(triangles)):
        for side in range(2):
            a, b = welded[triangles[f, side]], welded[triangles[f, side + 1]]
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            elif b < a:
                parent[a] = b
    for a in range(count):  # a parent comes before its children: one pass leads all to the roots
        parent[a] = parent[parent[a]]
    sizes = np.zeros(count, dtype=np.int32)
    middle = np.zeros((count, 3))
    roots = np.empty(len(triangles), dtype=np.int32)
    for f in range(len(triangles)):
        a = parent[welded[triangles[f, 0]]]
        roots[f] = a
        sizes[a] += 1
        for k in range(3):
            middle[a, k] += vertices[triangles[f, 0], k]
    for a in range(count):
        square = 0.0
        for k in range(3):
            square += (middle[a, k] / max(sizes[a], 1) - centre[k]) ** 2
        if square > max_distance**2:
            sizes[a] = 0
    min_size = max(min_share * sizes.max(), 1.0)
    keep = np.empty(len(triangles), dtype=np.bool_)
    for f in range(len(triangles)):
        keep[f] = sizes[roots[f]] >= min_size
    return keep


@numba.njit(cache=True)
def _signed_area(uv: Floats, triangles: NDArray[np.integer[Any]]) -> Floats:
    area = np.empty(len(triangles), dtype=uv.dtype)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = uv[b, 0] - uv[a, 0], uv[b, 1] - uv[a, 1]
        vx, vy = uv[c, 0] - uv[a, 0], uv[c, 1] - uv[a, 1]
        area[f] = (ux * vy - uy * vx) / 2
    return area


@numba.njit(cache=True)
def _smooth_once(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32]
) -> NDArray[np.float32]:
    total = np.zeros_like(vertices)
    count = np.zeros(len(vertices), dtype=np.float32)
    for f in range(len(triangles)):
        for corner in range(3):
            v = triangles[f, corner]
            for side in range(1, 3):
                u = triangles[f, (corner + side) % 3]
                count[v] += 1
                for k in range(3):
                    total[v, k] += vertices[u, k]
    moved = vertices.copy()
    for v in range(len(vertices)):
        if count[v]:
            for k in range(3):
                moved[v, k] = (vertices[v, k] + 2 * total[v, k] / count[v]) / 3
    return moved


@numba.njit(cache=True)
def _clean(
    vertices: NDArray[np.float32],
    uv: Floats,
    triangles: NDArray[np.int32],
    longest: float,
    half_turn: float,
    polygon: NDArray[np.float32],
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Neither stretched, nor across the seam, nor between the lips (F,); signed areas (F,) mm^2."""
    keep = np.empty(len(triangles), dtype=np.bool_)
    area = np.empty(len(triangles), dtype=np.float32)
    left, right = polygon[:, 0].min(), polygon[:, 0].max()
    bottom, top = polygon[:, 1].min(), polygon[:, 1].max()
    third = np.float32(1.0 / 3.0)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        au, bu, cu = uv[a, 0], uv[b, 0], uv[c, 0]
        av, bv, cv = uv[a, 1], uv[b, 1], uv[c, 1]
        area[f] = ((bu - au) * (cv - av) - (bv - av) * (cu - au)) / 2
        clean = max(au, bu, cu) - min(au, bu, cu) <= half_turn
        for first, second in ((a, b), (b, c), (c, a)):
            square = np.float32(0.0)
            for k in range(3):
                square += (vertices[first, k] - vertices[second, k]) ** 2
            clean &= square < longest
        if clean:
            x, y = (au + bu + cu) * third, (av + bv + cv) * third
            if left <= x <= right and bottom <= y <= top:
                clean = not _inside(x, y, polygon)
        keep[f] = clean
    return keep, area


@numba.njit(cache=True)
def _inside(x: np.float32, y: np.float32, polygon: NDArray[np.float32]) -> bool:
    """Even-odd rule: crossings of a ray to the right."""
    within = False
    for k in range(len(polygon)):
        xa, ya = polygon[k - 1]
        xb, yb = polygon[k]
        if (ya > y) != (yb > y) and x < xa + (y - ya) / (yb - ya) * (xb - xa):
            within = not within
    return within


def _shrunk(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polygon (K, 2) mm shrunk towards its centre by the lips' margin."""
    centre = polygon.mean(0)
    offset = polygon - centre
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    share = np.maximum(1.0 - _LIP_MARGIN_MM / np.maximum(length, _MIN_LENGTH_MM), 0.0)
    shrunk: NDArray[np.float64] = centre + offset * share
    return shrunk


@numba.njit(cache=True)
def step_across(
    points: NDArray[np.float32],
    normals: NDArray[np.float64],
    surface: NDArray[np.float32],
    triangle: NDArray[np.int32],
    max_step: np.float32,
) -> NDArray[np.float32]:
    """Points (N, 3) mm moved along normals (N, 3) by their distance from a surface (N, 3) mm, where
    it has a triangle (N,) and the step is not longer than `max_step` mm."""
    moved = points.copy()
    for v in range(len(points)):
        if triangle[v] < 0:
            continue
        step = np.float32(0.0)
        for k in range(3):
            step += (surface[v, k] - points[v, k]) * np.float32(normals[v, k])
        if abs(step) <= max_step:
            for k in range(3):
                moved[v, k] += step * np.float32(normals[v, k])
    return moved
