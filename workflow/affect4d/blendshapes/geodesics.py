"""Geodesic distances along a face, truncated at a radius.

Fast marching (Kimmel & Sethian 1998) with each front unfolded into its triangle's plane as that of
a point source (Novotni & Klein 2002): exact on flat surfaces but for obtuse triangles, where it is
a few per cent too far. A front stops at the radius beyond which distances are never used, and needs
no factorisation, so that disconnected surfaces, unreferenced vertices and degenerate triangles need
no special case.
"""

import heapq
from collections import OrderedDict

import numba
import numpy as np
from numpy.typing import NDArray

CACHED_SOURCES = 512  # vertices of which distances are remembered: more than a fit has centres


class Geodesics:
    """Distances from single vertices of one mesh, remembered by source.

    Parameters
    ----------
    vertices : (V, 3)
    triangles : (F, 3)
    limit
        Radius at which a front stops, in the vertices' unit.

    Raises
    ------
    ValueError
        Vertices are not (V, 3) and finite, triangles not (F, 3) and whole numbers, or one of them
        refers to a vertex that does not exist.
    """

    def __init__(
        self, vertices: NDArray[np.floating], triangles: NDArray[np.integer], limit: float
    ) -> None:
        self.vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"vertices are (V, 3), not {self.vertices.shape}")
        if not np.isfinite(self.vertices).all():
            raise ValueError("a vertex is not finite")
        triangles = np.asarray(triangles)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
            raise ValueError(
                f"triangles are whole numbers (F, 3), not {triangles.dtype} {triangles.shape}"
            )
        self.triangles = np.ascontiguousarray(triangles, dtype=np.int64)
        self.limit = float(limit)
        corners = self.triangles.ravel()
        if corners.size and not 0 <= corners.min() <= corners.max() < len(self.vertices):
            raise ValueError("a triangle refers to a vertex that does not exist")
        self._triangles_of = np.argsort(corners, kind="stable") // 3
        counts = np.bincount(corners, minlength=len(self.vertices))
        self._start = np.concatenate([[0], np.cumsum(counts)])
        self._cache: OrderedDict[int, tuple[NDArray[np.int32], NDArray[np.float64]]] = OrderedDict()

    def cover(
        self, vertices: NDArray[np.floating], triangles: NDArray[np.integer], radius: float
    ) -> bool:
        """Whether these are the distances on this mesh, at least up to a radius."""
        same = np.array_equal(self.vertices, vertices) and np.array_equal(self.triangles, triangles)
        return same and self.limit >= radius

    def from_vertex(self, source: int) -> NDArray[np.float64]:
        """Distances (V,) from vertex `source`; infinite beyond the limit.

        Raises
        ------
        ValueError
            There is no such vertex.
        """
        source = int(source)
        if not 0 <= source < len(self.vertices):
            raise ValueError(f"there is no vertex {source} among {len(self.vertices)}")
        if source not in self._cache:
            distance = _march(
                self.vertices, self.triangles, self._start, self._triangles_of, source, self.limit
            )
            near = np.flatnonzero(distance <= self.limit).astype(np.int32)
            self._cache[source] = near, distance[near]
            if len(self._cache) > CACHED_SOURCES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(source)
        near, values = self._cache[source]
        distance = np.full(len(self.vertices), np.inf)
        distance[near] = values
        return distance


@numba.njit(cache=True)
def _march(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int64],
    start: NDArray[np.int64],
    triangles_of: NDArray[np.int64],
    source: int,
    limit: float,
) -> NDArray[np.float64]:
    distance = np.full(len(vertices), np.inf)
    accepted = np.zeros(len(vertices), dtype=np.bool_)
    distance[source] = 0.0
    heap = [(0.0, source)]
    while heap:
        reached, here = heapq.heappop(heap)
        if accepted[here]:
            continue
        if reached > limit:
            break
        accepted[here] = True
        for i in range(start[here], start[here + 1]):
            triangle = triangles[triangles_of[i]]
            for corner in range(3):
                ahead = triangle[corner]
                if accepted[ahead]:
                    continue
                other = triangle[(corner + 1) % 3]
                if other == here:
                    other = triangle[(corner + 2) % 3]
                candidate = reached + _length(vertices, here, ahead)
                if accepted[other]:
                    candidate = min(candidate, _unfold(vertices, distance, here, other, ahead))
                if candidate < distance[ahead]:
                    distance[ahead] = candidate
                    heapq.heappush(heap, (candidate, ahead))
    return distance


@numba.njit(cache=True)
def _length(vertices: NDArray[np.float64], a: int, b: int) -> float:
    x = vertices[a, 0] - vertices[b, 0]
    y = vertices[a, 1] - vertices[b, 1]
    z = vertices[a, 2] - vertices[b, 2]
    return float(np.sqrt(x * x + y * y + z * z))


@numba.njit(cache=True)
def _unfold(
    vertices: NDArray[np.float64], distance: NDArray[np.float64], a: int, b: int, ahead: int
) -> float:
    """Distance at `ahead` of the point source that the distances at a and b place in the plane."""
    base = _length(vertices, a, b)
    if base == 0.0:
        return np.inf
    left, right = distance[a], distance[b]
    source_x = (left * left - right * right + base * base) / (2.0 * base)
    source_y = np.sqrt(max(left * left - source_x * source_x, 0.0))
    side_a, side_b = _length(vertices, a, ahead), _length(vertices, b, ahead)
    x = (side_a * side_a - side_b * side_b + base * base) / (2.0 * base)
    y = np.sqrt(max(side_a * side_a - x * x, 0.0))
    height = source_y + y
    if height == 0.0:
        return np.inf
    crossing = source_x + (x - source_x) * source_y / height
    if crossing < 0.0 or crossing > base:
        return np.inf
    return float(np.sqrt((x - source_x) ** 2 + height * height))
