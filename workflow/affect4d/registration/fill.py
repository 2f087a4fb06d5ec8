"""Vertices no scan showed: the harmonic continuation of what was seen around them."""

import numba
import numpy as np
from scipy import sparse


class Filler:
    """Fills displacements over unseen vertices: (L + area / reach^2) d = 0, d given where seen.

    The screening lets the displacement fade to the prediction over `reach` mm away from anything
    seen. Values are carried outward from the seen vertices ring by ring, then relaxed in that order
    and back (symmetric Gauss-Seidel): what is left to do is local, and few sweeps do it.

    Parameters
    ----------
    laplacian : (V, V) sparse cotangent Laplacian
    area : (V,) mm^2
    reach : mm
    """

    def __init__(self, laplacian, area, reach=15.0):
        matrix = sparse.csr_matrix(laplacian + sparse.diags(area / reach**2))
        diagonal = matrix.diagonal()
        # rows scaled to a unit diagonal: what remains are the neighbours' weights
        weights = sparse.csr_matrix(sparse.diags(-1.0 / diagonal) @ matrix)
        weights.setdiag(0.0)
        weights.eliminate_zeros()
        weights.sort_indices()
        self._parts = weights.indptr, weights.indices, weights.data.astype(np.float32)

    def fill(self, values, seen, tolerance=1e-2, sweeps=200):
        """Values (V, 3) with the rows that are not `seen` (V,) replaced, float32.

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
def _rings(indptr, indices, seen):
    """The unseen vertices that hang together with seen ones, nearest first; then the others."""
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
def _relax(indptr, indices, weights, order, seen, values, tolerance, sweeps):
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
        share = max(share, np.float32(1e-12))
        values[v, 0], values[v, 1], values[v, 2] = x / share, y / share, z / share
        known[v] = True
    for sweep in range(sweeps):
        change = np.float32(0.0)
        for place in range(len(order)):
            v = order[place] if sweep % 2 else order[len(order) - 1 - place]
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
