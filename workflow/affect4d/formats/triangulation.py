"""Polygons cut into triangles: fans where they are convex, ears (mapbox's earcut) elsewhere."""

from typing import TypeAlias

import mapbox_earcut
import numba
import numpy as np
from numpy.typing import NDArray

MAX_COUNT = 5_000_000  # vertices, or triangles: more than any face scan
# Of the squares of the concave polygons' corners: earcut takes some 10 ns for each at worst.
_MAX_WORK = 1 << 29
_STRAIGHT = 1e-9  # sine of an angle that rounding gives to three points on a line

Integers: TypeAlias = NDArray[np.int64]
Points: TypeAlias = NDArray[np.float64]


def check_count(count: int, what: str) -> int:
    """The count, unchanged; ValueError, before anything is allocated, where it is too large."""
    if not 0 <= count <= MAX_COUNT:
        raise ValueError(f"{count} {what}: at most {MAX_COUNT} can be read")
    return count


def triangulate(
    points: Points, sizes: NDArray[np.integer], corners: NDArray[np.integer]
) -> Integers | None:
    """(3F,) indices into the polygons' corners; None where all polygons are triangles.

    A polygon that crosses itself, whose triangles are undefined, becomes a fan as well.

    Parameters
    ----------
    points : (V, 3)
    sizes : (P,) corners of each polygon; those of fewer than three are ignored
    corners : (C,) the point of each corner, polygon after polygon, all of which exist

    Raises
    ------
    ValueError
        There are too many triangles, or concave polygons of too many corners.
    """
    lengths: Integers = np.asarray(sizes, dtype=np.int64)
    if (lengths == 3).all():
        check_count(len(lengths), "triangles")
        return None
    counts = np.maximum(lengths - 2, 0)
    check_count(int(counts.sum()), "triangles")
    starts = np.cumsum(lengths) - lengths
    ends = np.cumsum(counts)
    triangles = _fans(starts, counts, ends)
    indices = np.asarray(corners, dtype=np.int64)
    planes: NDArray[np.int8] = _concave_planes(points, lengths, indices)
    concave = np.flatnonzero(planes)
    if (lengths[concave].astype(float) ** 2).sum() > _MAX_WORK:
        raise ValueError("polygons that are not convex have too many corners: triangulate them")
    for polygon in concave:
        start, size = starts[polygon], lengths[polygon]
        flat = _flat(points[indices[start : start + size]], int(planes[polygon]))
        ears = mapbox_earcut.triangulate_float64(flat, np.array([size], dtype=np.uint32))
        if len(ears) == 3 * counts[polygon]:
            triangles[ends[polygon] - counts[polygon] : ends[polygon]] = start + ears.reshape(-1, 3)
    return triangles.ravel()


def _fans(starts: Integers, counts: Integers, ends: Integers) -> Integers:
    """(F, 3) corners of the fans around each polygon's first corner."""
    first = np.repeat(starts, counts)
    step = np.arange(len(first)) - np.repeat(ends - counts, counts)
    return np.stack([first, first + step + 1, first + step + 2], axis=1)


def _flat(points: Points, plane: int) -> Points:
    """Points (N, 3) without the coordinate along the polygon's normal, anticlockwise (N, 2)."""
    axis = abs(plane) - 1
    kept = [(axis + 1) % 3, (axis + 2) % 3]
    return np.ascontiguousarray(points[:, kept if plane > 0 else kept[::-1]])


@numba.njit(cache=True)
def _concave_planes(points: Points, sizes: Integers, corners: Integers) -> NDArray[np.int8]:
    """For each polygon 0 where it is convex, else 1, 2 or 3: the axis its normal is nearest to,
    negative where the normal points against it."""
    planes = np.zeros(len(sizes), dtype=np.int8)
    normal = np.empty(3)
    start = 0
    for polygon in range(len(sizes)):
        size = sizes[polygon]
        first = start
        start += size
        if size < 4:
            continue
        normal[:] = 0.0
        origin = points[corners[first]]
        for k in range(1, size - 1):
            a, b = points[corners[first + k]], points[corners[first + k + 1]]
            for axis in range(3):
                i, j = (axis + 1) % 3, (axis + 2) % 3
                normal[axis] += (a[i] - origin[i]) * (b[j] - origin[j])
                normal[axis] -= (a[j] - origin[j]) * (b[i] - origin[i])
        nearest = int(np.argmax(np.abs(normal)))
        i, j = (nearest + 1) % 3, (nearest + 2) % 3
        if normal[nearest] < 0:
            i, j = j, i
        before = points[corners[first + size - 1]]
        here = points[corners[first]]
        for k in range(size):
            after = points[corners[first + (k + 1) % size]]
            x, y = here[i] - before[i], here[j] - before[j]
            u, v = after[i] - here[i], after[j] - here[j]
            if x * v - y * u < -_STRAIGHT * np.hypot(x, y) * np.hypot(u, v):
                planes[polygon] = nearest + 1 if normal[nearest] > 0 else -(nearest + 1)
                break
            before, here = here, after
    return planes
