"""Epsilon-insensitive regression on given features, minimised in the primal (Chapelle 2007).

The loss is smoothed by a parabola at either edge of the tube and Newton's method runs on ever
narrower ones. Only rows on the parabolas bend the objective. A thinned sample brings the weights
close, so that few steps see all rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

SMOOTHINGS = 0.3, 0.03, 0.003
THINNED, BLOCK = 20_000, 8192
NEWTON_STEPS = 50
TOLERANCE = 3e-4  # of the gradient a row, in units of the smoothing: the rest is blurred anyhow
BIAS_RIDGE = 1e-8
SUFFICIENT = 1e-4


def minimise(Z, y, cost, epsilon):
    """Weights of 1/2 |w|^2 + cost sum max(0, |y - Zw| - epsilon); the last column is the bias.

    Parameters
    ----------
    Z : (n, r) float32, the last column ones
    y : (n,) float64
    cost, epsilon : float

    Returns
    -------
    (r,) float64
    """
    weights = np.zeros(Z.shape[1])
    weights[-1] = np.median(y)
    scale, thinning = y.std() or 1.0, len(y) // THINNED
    if thinning > 1:
        rows = slice(None, None, thinning)
        few = np.ascontiguousarray(Z[rows]), y[rows], cost * thinning, epsilon
        for smoothing in SMOOTHINGS:
            weights = _newton(_Objective(*few, smoothing * scale), weights, smoothing)
    for smoothing in SMOOTHINGS[-2:] if thinning > 1 else SMOOTHINGS:
        weights = _newton(_Objective(Z, y, cost, epsilon, smoothing * scale), weights, smoothing)
    return weights


@dataclass(frozen=True)
class _Objective:
    Z: np.ndarray
    y: np.ndarray
    cost: float
    epsilon: float
    width: float

    @property
    def ridge(self):
        ridge = np.ones(self.Z.shape[1])
        ridge[-1] = BIAS_RIDGE
        return ridge

    def residual(self, weights):
        return self.y - self.Z @ weights.astype(np.float32)

    def value(self, weights, residual):
        excess = np.maximum(np.abs(residual) - self.epsilon, 0)
        bent = np.minimum(excess, self.width)
        loss = bent @ (excess - bent / 2) / self.width
        return 0.5 * self.ridge @ weights**2 + self.cost * loss

    def gradient(self, weights, residual):
        slope = residual - np.clip(residual, -self.epsilon, self.epsilon)
        slope = np.clip(slope / self.width, -1, 1).astype(np.float32)
        return self.ridge * weights - self.cost * (slope @ self.Z).astype(np.float64)

    def curvature(self, residual):
        excess = np.abs(residual) - self.epsilon
        rows = np.flatnonzero((excess > 0) & (excess < self.width))
        gram = np.zeros((self.Z.shape[1],) * 2)
        for start in range(0, len(rows), BLOCK):
            # In single precision the sums would drown the ridge.
            bending = self.Z[rows[start : start + BLOCK]].astype(np.float64)
            gram += bending.T @ bending
        ridge = self.ridge
        ridge[-1] = self.cost  # where no row bends, the bias must not leap
        return np.diag(ridge) + self.cost / self.width * gram


def _newton(objective, weights, smoothing):
    small = TOLERANCE * smoothing * objective.cost * len(objective.y)
    residual = objective.residual(weights)
    value = objective.value(weights, residual)
    for _ in range(NEWTON_STEPS):
        gradient = objective.gradient(weights, residual)
        if np.abs(gradient).max() <= small:
            break
        step = solve(objective.curvature(residual), gradient, assume_a="pos")
        moved = objective.Z @ step.astype(np.float32)
        length = 1.0
        while length > SUFFICIENT:
            tried = weights - length * step, residual + length * moved
            found = objective.value(*tried)
            if found <= value - SUFFICIENT * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        (weights, residual), value = tried, found
    return weights
