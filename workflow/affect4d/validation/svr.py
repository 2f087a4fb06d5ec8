"""Support vector regression with an RBF kernel, exact or at the scale of whole databases.

The exact solver's time grows with the square of the frames. Beyond its limit the kernel is
approximated (Nystroem: Williams & Seeger 2001) and the very same epsilon-insensitive loss is
minimised in the primal, by Newton's method on ever less smoothed losses (Chapelle 2007).
"""

import numpy as np
from scipy.linalg import solve
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.svm import SVR
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

METHODS = "auto", "exact", "nystroem"
SMOOTHINGS = 0.3, 0.03, 0.003
NEWTON_STEPS = 50
GRADIENT_TOLERANCE = 1e-6
BIAS_RIDGE = 1e-8


class KernelSVR(RegressorMixin, BaseEstimator):
    """Epsilon-insensitive regression in an RBF kernel's space, one function a target.

    Parameters
    ----------
    method : {"auto", "exact", "nystroem"}
        "auto" is exact up to `exact_limit` frames.
    C, epsilon, gamma : float
        Cost, half width of the tube, and exp(-gamma |x - x'|^2), as in scikit-learn's SVR.
    landmarks : int
        Rank of the kernel's approximation.
    exact_limit : int
        Frames beyond which "exact" refuses: its time is quadratic in them.
    random_state : int
        Chooses the landmarks.
    """

    def __init__(
        self,
        method="auto",
        C=1.0,
        epsilon=0.1,
        gamma=1.0,
        landmarks=100,
        exact_limit=10_000,
        random_state=0,
    ):
        self.method = method
        self.C = C
        self.epsilon = epsilon
        self.gamma = gamma
        self.landmarks = landmarks
        self.exact_limit = exact_limit
        self.random_state = random_state

    def fit(self, X, y):
        """Fit to X (n, p) and y, (n,) or (n, targets).

        Raises
        ------
        ValueError
            An unknown method, or "exact" with more frames than `exact_limit`.
        """
        if self.method not in METHODS:
            raise ValueError(f"method is one of {METHODS}, not {self.method!r}")
        X, y = check_array(X, dtype=np.float64), check_array(y, ensure_2d=False, dtype=np.float64)
        check_consistent_length(X, y)
        small = len(X) <= self.exact_limit
        if self.method == "exact" and not small:
            raise ValueError(
                f"exact on {len(X)} frames is beyond exact_limit={self.exact_limit}; use nystroem"
            )
        self.method_ = "exact" if self.method != "nystroem" and small else "nystroem"
        self.single_ = y.ndim == 1
        columns = y.reshape(len(y), -1).T
        if self.method_ == "exact":
            self.machines_ = [
                SVR(C=self.C, epsilon=self.epsilon, gamma=self.gamma).fit(X, column)
                for column in columns
            ]
            return self
        self.features_ = Nystroem(
            gamma=self.gamma,
            n_components=min(self.landmarks, len(X)),
            random_state=self.random_state,
        ).fit(X)
        Z = self._map(X)
        self.coefficients_ = np.stack(
            [_minimise(Z, column, self.C, self.epsilon) for column in columns], axis=1
        )
        return self

    def predict(self, X):
        """Predictions, (n,) or (n, targets) as `y` was."""
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64)
        if self.method_ == "exact":
            values = np.stack([machine.predict(X) for machine in self.machines_], axis=1)
        else:
            values = self._map(X) @ self.coefficients_
        return values[:, 0] if self.single_ else values

    def _map(self, X):
        return np.hstack([self.features_.transform(X), np.ones((len(X), 1))])


def _minimise(Z, y, cost, epsilon):
    """Weights of 1/2 |w|^2 + C sum max(0, |y - Zw| - epsilon); the last column is the bias."""
    ridge = np.ones(Z.shape[1])
    ridge[-1] = BIAS_RIDGE
    weights = np.zeros(Z.shape[1])
    weights[-1] = np.median(y)
    scale = y.std() or 1.0
    for smoothing in SMOOTHINGS:
        weights = _newton(Z, y, cost, epsilon, smoothing * scale, ridge, weights)
    return weights


def _newton(Z, y, cost, epsilon, width, ridge, weights):
    value = _loss(Z, y, cost, epsilon, width, ridge, weights)
    for _ in range(NEWTON_STEPS):
        residual = y - Z @ weights
        excess = np.abs(residual) - epsilon
        gradient = ridge * weights - cost * Z.T @ (
            np.sign(residual) * np.clip(excess / width, 0, 1)
        )
        if np.abs(gradient).max() <= GRADIENT_TOLERANCE * cost * len(y):
            break
        curved = Z[(excess > 0) & (excess < width)]
        step = solve(np.diag(ridge) + cost / width * curved.T @ curved, gradient, assume_a="pos")
        length = 1.0
        while length > 1e-4:
            tried = weights - length * step
            found = _loss(Z, y, cost, epsilon, width, ridge, tried)
            if found <= value - 1e-4 * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        weights, value = tried, found
    return weights


def _loss(Z, y, cost, epsilon, width, ridge, weights):
    excess = np.maximum(np.abs(y - Z @ weights) - epsilon, 0)
    smooth = np.where(excess < width, excess**2 / (2 * width), excess - width / 2)
    return 0.5 * ridge @ weights**2 + cost * smooth.sum()
