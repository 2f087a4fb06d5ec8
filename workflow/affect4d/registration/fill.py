"""Vertices no scan showed: the harmonic continuation of what was seen around them."""

import numba
import numpy as np
from scipy import sparse


class Filler:
    """Fills displacements over unseen vertices: (L + area / reach^2) d = 0, d given where seen.

    The screening lets the displacement fade to the prior over `reach` mm away from anything
    seen, and keeps the system well conditioned: a few conjugate-gradient steps do.

    Parameters
    ----------
    laplacian : (V, V) sparse cotangent Laplacian
    area : (V,) mm^2
    reach : mm
    """

    def __init__(self, laplacian, area, reach=40.0):
        self._matrix = sparse.csr_matrix(laplacian + sparse.diags(area / reach**2))

    def fill(self, values, seen, tolerance=1e-2, steps=200):
        """Values (V, C) with the rows that are not `seen` (V,) replaced, float32."""
        unseen = np.flatnonzero(~seen)
        filled = np.array(values, dtype=np.float32)
        if not len(unseen):
            return filled
        filled[unseen] = 0.0
        rows = self._matrix[unseen]
        inside = rows[:, unseen]
        filled[unseen] = _conjugate_gradient(
            inside.data.astype(np.float32),
            inside.indices,
            inside.indptr,
            -(rows @ filled).astype(np.float32),
            tolerance,
            steps,
        )
        return filled


@numba.njit(cache=True)
def _conjugate_gradient(data, indices, indptr, right, tolerance, steps):
    """Solve matrix @ x = right (n, C) from zero, all columns at once, Jacobi preconditioned."""
    count, columns = right.shape
    inverse = np.empty(count, dtype=np.float32)
    for i in range(count):
        for j in range(indptr[i], indptr[i + 1]):
            if indices[j] == i:
                inverse[i] = 1.0 / data[j]
    x = np.zeros_like(right)
    residual = right.copy()
    direction = np.empty_like(right)
    product = np.empty_like(right)
    old = np.zeros(columns)
    for i in range(count):
        for k in range(columns):
            direction[i, k] = inverse[i] * residual[i, k]
            old[k] += residual[i, k] * direction[i, k]
    start = old.copy()
    for _ in range(steps):
        if (old <= tolerance**2 * start).all():
            break
        curvature = np.zeros(columns)
        for i in range(count):
            product[i] = 0.0
            for j in range(indptr[i], indptr[i + 1]):
                for k in range(columns):
                    product[i, k] += data[j] * direction[indices[j], k]
            for k in range(columns):
                curvature[k] += direction[i, k] * product[i, k]
        step = (old / np.maximum(curvature, 1e-20)).astype(np.float32)
        new = np.zeros(columns)
        for i in range(count):
            for k in range(columns):
                x[i, k] += step[k] * direction[i, k]
                residual[i, k] -= step[k] * product[i, k]
                new[k] += inverse[i] * residual[i, k] ** 2
        turn = (new / np.maximum(old, 1e-20)).astype(np.float32)
        for i in range(count):
            for k in range(columns):
                direction[i, k] = inverse[i] * residual[i, k] + turn[k] * direction[i, k]
        old = new
    return x
