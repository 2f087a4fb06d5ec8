"""The smoothing thin-plate spline on the template's surface.

Bookstein's spline (PAMI 1989; smoothing after Wahba 1990, ch. 2) with the plane's kernel
r^2 log r replaced by the Green's function of the surface's bi-Laplacian, L M^-1 L (cotangent
weights). Values travel along the surface, never across the cut between the lips; the kernel's
columns depend on the template alone and are computed once.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.sparse.linalg import splu

# Wavelength beyond which the kernel flattens, about a head's width; it makes the operator
# invertible, and the affine part below takes over at this scale.
_WAVELENGTH_MM = 150.0
_AFFINE = 4  # functions that the kernel leaves free
_MIN_AMPLITUDE = 1e-9  # no division by zero where nothing moves
_BLOCK = 16  # columns solved at once: bounds memory


class Green:
    """The Green's function of the surface's bi-Laplacian, which falls off over some 150 mm.

    Parameters
    ----------
    laplacian : (V, V), positive semidefinite
    area : (V,) mm^2
    """

    def __init__(self, laplacian: sparse.spmatrix, area: NDArray[np.float64]) -> None:
        energy = laplacian @ sparse.diags(1.0 / area) @ laplacian
        energy = (energy + sparse.diags(area / _WAVELENGTH_MM**4)).tocsc()
        self._count = len(area)
        self._factor = splu(
            energy,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def __call__(self, centres: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Its columns (V, m) mm^2 at vertex indices `centres` (m,)."""
        columns = np.empty((self._count, len(centres)), dtype=np.float32)
        for first in range(0, len(centres), _BLOCK):
            block = np.asarray(centres[first : first + _BLOCK])
            units = np.zeros((self._count, len(block)))
            units[block, np.arange(len(block))] = 1.0
            columns[:, first : first + _BLOCK] = self._factor.solve(units)
        return columns


def affine(vertices: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The functions (V, 4) that the kernel leaves free: a constant, and x, y, z of vertices (V, 3)
    mm, in wavelengths of the kernel."""
    points = np.asarray(vertices, dtype=float)
    return np.concatenate(
        [np.ones((len(points), 1)), (points - points.mean(0)) / _WAVELENGTH_MM], axis=1
    )


class SurfaceSpline:
    """Displacements known at the landmarks, spread over the template.

    Parameters
    ----------
    kernel : (V, m) mm^2, columns of `Green` at the landmarks' vertices
    vertices : (V, 3) mm; they carry the affine part
    centres : (m,) vertex indices of the landmarks
    weights : (m,), how far each landmark is trusted; 1 for most
    """

    def __init__(
        self,
        kernel: NDArray[np.float32],
        vertices: NDArray[np.floating[Any]],
        *,
        centres: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> None:
        self.centres = np.asarray(centres)
        free = affine(vertices)
        self._basis = np.concatenate([kernel, free.astype(np.float32)], axis=1)
        square = kernel[self.centres].astype(np.float64)
        self._square = (square + square.T) / 2
        self._noise = 1.0 / np.asarray(weights)
        self._affine = free[self.centres]

    def fit(
        self,
        values: NDArray[np.floating[Any]],
        stiffness: float,
        keep: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients of the spline through the kept landmarks.

        Parameters
        ----------
        values : (m, C) mm
        stiffness : mm^2
            Variance of a landmark's noise over the amplitude of the field; 0 meets every landmark.
        keep : (m,), the landmarks that are met; all when absent

        Returns
        -------
        coefficients : (m + 4, C)
        left_out : (m, C) mm
            Residual of each kept landmark when the spline is fitted to the others (for a linear
            smoother c_i / A^-1_ii, Wahba 1990, eq. 4.2.9); NaN for the dropped.
        spread : (m,)
            Its expected standard deviation, 1 for the median landmark: the end of a brow is harder
            to predict than the middle of a lip. NaN for the dropped.
        """
        keep = np.ones(len(values), dtype=bool) if keep is None else keep
        chosen = np.flatnonzero(keep)
        count = len(chosen)
        system = np.zeros((count + _AFFINE, count + _AFFINE))
        system[:count, :count] = self._covariance(chosen, stiffness)
        system[:count, count:] = self._affine[chosen]
        system[count:, :count] = self._affine[chosen].T
        inverse = np.linalg.inv(system)
        solved = inverse[:, :count] @ values[chosen]
        coefficients = np.zeros((len(values) + _AFFINE, values.shape[1]))
        coefficients[chosen] = solved[:count]
        coefficients[-_AFFINE:] = solved[count:]
        precision = np.diag(inverse)[:count]
        left_out = np.full(values.shape, np.nan)
        left_out[chosen] = solved[:count] / precision[:, None]
        spread = np.full(len(values), np.nan)
        spread[chosen] = np.sqrt(np.median(precision) / precision)
        return coefficients, left_out, spread

    def amplitude(
        self,
        coefficients: NDArray[np.float64],
        values: NDArray[np.floating[Any]],
        keep: NDArray[np.bool_],
    ) -> float:
        """Variance of the field in units of the kernel (Wahba 1990, eq. 4.8.6): c'y / (n - 4)."""
        chosen = np.flatnonzero(keep)
        power = (coefficients[chosen] * values[chosen]).sum()
        amplitude = float(power / (values.shape[1] * max(len(chosen) - _AFFINE, 1)))
        return max(amplitude, _MIN_AMPLITUDE)

    def estimate_stiffness(
        self,
        values: NDArray[np.floating[Any]],
        keep: NDArray[np.bool_],
        candidates: Sequence[float],
    ) -> float:
        """The candidate under which the kept values (m, C) are likeliest.

        Restricted likelihood (Wahba 1990, eq. 4.8.7): the affine part is projected out, the
        field's amplitude is profiled out.
        """
        chosen = np.flatnonzero(keep)
        complete, _ = np.linalg.qr(self._affine[chosen], mode="complete")
        free = complete[:, _AFFINE:]
        projected = free.T @ values[chosen]
        best, stiffness = np.inf, candidates[0]
        for candidate in candidates:
            lower = np.linalg.cholesky(free.T @ self._covariance(chosen, candidate) @ free)
            whitened = solve_triangular(lower, projected, lower=True)
            logarithm = 2 * np.log(np.diag(lower)).sum()
            power = max(float((whitened**2).sum()), _MIN_AMPLITUDE)
            loss = projected.shape[0] * np.log(power) + logarithm
            if loss < best:
                best, stiffness = loss, candidate
        return stiffness

    def _covariance(self, chosen: NDArray[np.int64], stiffness: float) -> NDArray[np.float64]:
        return self._square[np.ix_(chosen, chosen)] + np.diag(stiffness * self._noise[chosen])

    def part(self, vertices: NDArray[np.int64]) -> "SurfaceSpline":
        """The same spline, evaluated at some of the vertices (n,) alone."""
        few = copy(self)
        few._basis = np.ascontiguousarray(self._basis[vertices])
        return few

    def evaluate(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """The field (V, 3) mm of coefficients (m + 4, 3) at every vertex."""
        return combine(self._basis, coefficients)


def combine(
    basis: NDArray[np.float32], coefficients: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """basis (V, M) @ coefficients (M, 3): reads the basis once, at memory's speed, which a
    general matrix product does not for three columns."""
    rows = np.ascontiguousarray(np.asarray(coefficients).T, dtype=np.float32)
    return _combine(basis, rows)


@numba.njit(cache=True, fastmath=True)
def _combine(basis: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty((len(basis), 3), dtype=np.float32)
    for v in range(len(basis)):
        x = y = z = np.float32(0.0)
        for m in range(basis.shape[1]):
            value = basis[v, m]
            x += value * rows[0, m]
            y += value * rows[1, m]
            z += value * rows[2, m]
        out[v, 0], out[v, 1], out[v, 2] = x, y, z
    return out
