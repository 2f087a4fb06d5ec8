"""Vertices no scan showed: the harmonic continuation of what was seen around them."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FADE_MM = 15.0  # over which a displacement fades to the prediction: by experiment
# A sweep that changes no value by more than this share of the greatest one seen is the last (of
# 10 mm, .1 mm: less than a scanner's noise); at most so many sweeps.
_TOLERANCE, _MAX_SWEEPS = 1e-2, 200
_MIN_SHARE = np.float32(1e-12)  # of the neighbours' weights: no division by zero


class Filler:
    """Fills displacements over unseen vertices: (L + area / fade_mm^2) d = 0, d given where seen.

    The screening lets the displacement fade to the prediction over `fade_mm` away from anything
    seen. Values are carried outward from the seen vertices ring by ring, then relaxed in that order
    and back (symmetric Gauss-Seidel): the remaining error is local, and few sweeps remove it.

    Parameters
    ----------
    laplacian : (V, V), cotangent weights
    area : (V,) mm^2
    fade_mm : mm
    """

    def __init__(
        self,
        laplacian: sparse.spmatrix,
        area: NDArray[np.float64],
        fade_mm: float = FADE_MM,
    ) -> None:
        matrix = sparse.csr_matrix(laplacian + sparse.diags(area / fade_mm**2))
        diagonal = matrix.diagonal()
        # rows scaled to a unit diagonal: what remains are the neighbours' weights
        weights = sparse.csr_matrix(sparse.diags(-1.0 / diagonal) @ matrix)
        weights.setdiag(0.0)
        weights.eliminate_zeros()
        weights.sort_indices()
        self._parts = weights.indptr, weights.indices, weights.data.astype(np.float32)

    def fill(
        self,
        values: NDArray[np.floating[Any]],
        seen: NDArray[np.bool_],
        *,
        tolerance: float = _TOLERANCE,
        sweeps: int = _MAX_SWEEPS,
    ) -> NDArray[np.float32]:
        """Values (V, 3) with the rows that are not `seen` (V,) replaced.

        It ends when a sweep changes no value by more than `tolerance` times the greatest one seen.
        """
        filled = np.array(values, dtype=np.float32)
        if seen.all() or not seen.any():
            return np.where(seen[:, None], filled, np.float32(0))
        largest = float(np.abs(filled[seen]).max())
        order = _rings(*self._parts[:2], seen)
        _relax(*self._parts, order, seen, filled, tolerance * largest, sweeps)
        return filled


@numba.njit(cache=True)
def _rings(
    indptr: NDArray[np.int32], indices: NDArray[np.int32], seen: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The unseen vertices connected to seen ones, nearest first; then the others."""
    count = 0
    for known in seen:
        count += not known
    order = np.empty(count, dtype=np.int32)
    reached = seen.copy()
    last = 0
    for v in range(len(seen)):
        if not seen[v]:
            for j in range(indptr[v], indptr[v + 1]):
                if seen[indices[j]]:
                    order[last] = v
                    last += 1
                    reached[v] = True
                    break
    first = 0
    while first < last:
        v = order[first]
        first += 1
        for j in range(indptr[v], indptr[v + 1]):
            u = indices[j]
            if not reached[u]:
                reached[u] = True
                order[last] = u
                last += 1
    for v in range(len(seen)):
        if not reached[v]:
            order[last] = v
            last += 1
    return order


@numba.njit(cache=True)
def _relax(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    order: NDArray[np.int32],
    seen: NDArray[np.bool_],
    values: NDArray[np.float32],
    tolerance: float,
    sweeps: int,
) -> None:
    known = seen.copy()
    for v in order:  # the first round sees only what lies inside
        share = x = y = z = np.float32(0.0)
        for j in range(indptr[v], indptr[v + 1]):
            u, weight = indices[j], weights[j]
            if known[u] and weight > 0:
                share += weight
                x += weight * values[u, 0]
                y += weight * values[u, 1]
                z += weight * values[u, 2]
        share = max(share, _MIN_SHARE)
        values[v, 0], values[v, 1], values[v, 2] = x / share, y / share, z / share
        known[v] = True
    for sweep in range(sweeps):
        change = np.float32(0.0)
        for n in range(len(order)):
            v = order[n] if sweep % 2 else order[len(order) - 1 - n]
            x = y = z = np.float32(0.0)
            for j in range(indptr[v], indptr[v + 1]):
                u, weight = indices[j], weights[j]
                x += weight * values[u, 0]
                y += weight * values[u, 1]
                z += weight * values[u, 2]
            change = max(
                change, abs(x - values[v, 0]), abs(y - values[v, 1]), abs(z - values[v, 2])
            )
            values[v, 0], values[v, 1], values[v, 2] = x, y, z
        if change <= tolerance:
            break
