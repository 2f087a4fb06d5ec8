"""Noise of the scanner removed from a registered surface: averages over neighbouring vertices."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from affect4d.geometry.surface import edges

# A spike is farther from its neighbours' mean than this, and than so many times the noise.
_SPIKE_MM, _SPIKE_NOISE = 3.0, 5.0
# The number of passes is meant for this noise (mm per coordinate); variance falls with each.
_USUAL_NOISE_MM, _MAX_PASSES = 0.25, 40
# Median length of a vector of three standard normal variables (chi with 3 degrees of freedom).
_CHI3_MEDIAN = 1.538


class Smoother:
    """Neighbours of each vertex of a topology (F, 3) of `count` vertices."""

    def __init__(self, triangles: NDArray[np.integer[Any]], count: int) -> None:
        pairs = edges(triangles)
        rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
        graph = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
        self._indptr, self._indices = graph.indptr, graph.indices

    def clean(
        self, values: NDArray[np.float32], seen: NDArray[np.bool_], passes: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values without the scanner's noise.

        Parameters
        ----------
        values : (V, 3) mm
        seen : (V,)
        passes : each moves a vertex two thirds to its seen neighbours' mean; noisier scans get more

        Returns
        -------
        values : (V, 3) mm
        seen : (V,), without the spikes
        """
        distance = _distances(values, seen, self._indptr, self._indices)
        known = distance >= 0
        noise = float(np.median(distance[known])) / _CHI3_MEDIAN if known.any() else 0.0
        seen = seen & ~(distance > max(_SPIKE_MM, _SPIKE_NOISE * noise))
        wanted = round(passes * (noise / _USUAL_NOISE_MM) ** 2)
        for _ in range(min(max(passes, wanted), max(passes, _MAX_PASSES))):
            values = _averaged(values, seen, self._indptr, self._indices)
        return values, seen

    def carry(
        self,
        values: NDArray[np.float32],
        known: NDArray[np.bool_],
        to: NDArray[np.int64],
        *,
        passes: int,
    ) -> NDArray[np.float32]:
        """Values (V, 3) spread from the `known` (V,) to the vertices `to` (n,), and smoothed there;
        those of all others stay."""
        moved = values.copy()
        for _ in range(passes):
            mean = _means_at(moved, known, to, self._indptr, self._indices)
            moved[to] = np.where(known[to][:, None], (moved[to] + 2 * mean) / 3, mean)
        return moved


@numba.njit(cache=True)
def _means_at(
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    to: NDArray[np.int64],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> NDArray[np.float32]:
    means = np.zeros((len(to), 3), dtype=np.float32)
    for n in range(len(to)):
        x, y, z, _ = _mean(to[n], values, known, indptr, indices)
        means[n, 0], means[n, 1], means[n, 2] = x, y, z
    return means


@numba.njit(cache=True)
def _distances(
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Distance (V,) of seen vertices' values from their seen neighbours' mean; -1 without any."""
    distance = np.full(len(values), np.float32(-1.0))
    for v in range(len(values)):
        x, y, z, count = _mean(v, values, seen, indptr, indices)
        if seen[v] and count:
            x, y, z = x - values[v, 0], y - values[v, 1], z - values[v, 2]
            distance[v] = np.sqrt(x * x + y * y + z * z)
    return distance


@numba.njit(cache=True)
def _averaged(
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Values (V, 3), the seen ones moved two thirds to their seen neighbours' mean."""
    third = np.float32(1.0 / 3.0)
    moved = values.copy()
    for v in range(len(values)):
        if not seen[v]:
            continue
        x, y, z, count = _mean(v, values, seen, indptr, indices)
        if count:
            moved[v, 0] = (values[v, 0] + 2 * x) * third
            moved[v, 1] = (values[v, 1] + 2 * y) * third
            moved[v, 2] = (values[v, 2] + 2 * z) * third
    return moved


@numba.njit(cache=True, inline="always")
def _mean(
    v: int,
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> tuple[np.float32, np.float32, np.float32, int]:
    x = y = z = np.float32(0.0)
    count = 0
    for j in range(indptr[v], indptr[v + 1]):
        u = indices[j]
        if seen[u]:
            count += 1
            x += values[u, 0]
            y += values[u, 1]
            z += values[u, 2]
    share = np.float32(1.0) / np.float32(max(count, 1))
    return x * share, y * share, z * share, count
