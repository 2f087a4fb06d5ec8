"""Epsilon-insensitive regression on given features, minimised in the primal (Chapelle 2007).

The loss is smoothed by a parabola at either edge of the tube and Newton's method runs on ever
narrower ones. Only rows on the parabolas bend the objective. A thinned sample brings the weights
close, so that few steps use all rows. scikit-learn's LinearSVR minimises the same loss in more than
14 times the time at 480,000 rows, and has not converged then (benchmarks/svr.py).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

# Widths of the parabolas, in standard deviations of the target; the last is far below its noise.
SMOOTHINGS = 0.3, 0.03, 0.003
THINNED_ROWS = 20_000  # of the sample that starts the search: enough for some hundred weights
BLOCK = 8192  # rows that are held in double precision at once
MAX_NEWTON_STEPS = 50  # per smoothing; some ten are used
TOLERANCE = 3e-4  # of the gradient per row, in units of the smoothing, which blurs more than that
BIAS_RIDGE = 1e-8  # penalty of the bias beside 1 of a weight: next to none, but not singular
SUFFICIENT = 1e-4  # share of the linear decrease that a step must reach (Armijo), and smallest step

Floats = NDArray[np.float64]


def minimise(Z: NDArray[np.float32], y: Floats, *, C: float, epsilon: float) -> Floats:
    """Weights (r,) of 1/2 |w|^2 + C sum max(0, |y - Zw| - epsilon); the last one is the bias.

    Parameters
    ----------
    Z : (n, r), the last column ones
    y : (n,)
    C : penalty of the loss
    epsilon : half width of the tube without loss, in the unit of y
    """
    weights = np.zeros(Z.shape[1])
    weights[-1] = np.median(y)
    scale, thinning = y.std() or 1.0, len(y) // THINNED_ROWS
    if thinning > 1:
        rows = slice(None, None, thinning)
        thinned = np.ascontiguousarray(Z[rows]), y[rows], C * thinning, epsilon
        for smoothing in SMOOTHINGS:
            weights = _newton(_Objective(*thinned, smoothing * scale), weights, smoothing)
    for smoothing in SMOOTHINGS[-2:] if thinning > 1 else SMOOTHINGS:
        weights = _newton(_Objective(Z, y, C, epsilon, smoothing * scale), weights, smoothing)
    return weights


@dataclass(frozen=True)
class _Objective:
    """The smoothed objective of features Z (n, r) and targets y (n,); `width` is the parabolas'."""

    Z: NDArray[np.float32]
    y: Floats
    C: float
    epsilon: float
    width: float

    @property
    def ridge(self) -> Floats:
        ridge = np.ones(self.Z.shape[1])
        ridge[-1] = BIAS_RIDGE
        return ridge

    def residual(self, weights: Floats) -> Floats:
        return self.y - self.Z @ weights.astype(np.float32)

    def value(self, weights: Floats, residual: Floats) -> float:
        excess = np.maximum(np.abs(residual) - self.epsilon, 0)
        bent = np.minimum(excess, self.width)
        loss = bent @ (excess - bent / 2) / self.width
        return float(0.5 * self.ridge @ weights**2 + self.C * loss)

    def gradient(self, weights: Floats, residual: Floats) -> Floats:
        slope = residual - np.clip(residual, -self.epsilon, self.epsilon)
        slope = np.clip(slope / self.width, -1, 1).astype(np.float32)
        return self.ridge * weights - self.C * (slope @ self.Z).astype(np.float64)

    def curvature(self, residual: Floats) -> Floats:
        excess = np.abs(residual) - self.epsilon
        rows = np.flatnonzero((excess > 0) & (excess < self.width))
        gram = np.zeros((self.Z.shape[1],) * 2)
        for start in range(0, len(rows), BLOCK):
            # In single precision the sums would drown the ridge.
            bending = self.Z[rows[start : start + BLOCK]].astype(np.float64)
            gram += bending.T @ bending
        ridge = self.ridge
        ridge[-1] = self.C  # where no row bends, the bias must not jump
        curvature: Floats = np.diag(ridge) + self.C / self.width * gram
        return curvature


def _newton(objective: _Objective, weights: Floats, smoothing: float) -> Floats:
    """Weights (r,) after damped Newton steps, until the gradient is within `TOLERANCE`."""
    max_gradient = TOLERANCE * smoothing * objective.C * len(objective.y)
    residual = objective.residual(weights)
    value = objective.value(weights, residual)
    for _ in range(MAX_NEWTON_STEPS):
        gradient = objective.gradient(weights, residual)
        if np.abs(gradient).max() <= max_gradient:
            break
        step = solve(objective.curvature(residual), gradient, assume_a="pos")
        moved = objective.Z @ step.astype(np.float32)
        length = 1.0
        while length > SUFFICIENT:
            tried = weights - length * step, residual + length * moved
            new_value = objective.value(*tried)
            if new_value <= value - SUFFICIENT * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        (weights, residual), value = tried, new_value
    return weights
