"""Support vector regression with an RBF kernel, exact or at the scale of whole databases.

The exact solver's time grows with the square of the frames. Beyond its limit the kernel is
approximated by finite features and the very same epsilon-insensitive loss is minimised in the
primal, in time that grows with the frames.
"""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.svm import SVR
from sklearn.utils.validation import check_is_fitted, validate_data

from affect4d.validation.nystroem import KernelMap, draw_landmarks
from affect4d.validation.primal import minimise

METHODS = "auto", "exact", "nystroem"


class KernelSVR(RegressorMixin, BaseEstimator):
    """Epsilon-insensitive regression in an RBF kernel's space, one function a target.

    Parameters
    ----------
    method : {"auto", "exact", "nystroem"}
        "auto" is exact up to `exact_limit` frames.
    C, epsilon : float
        Cost, and half width of the tube, as in scikit-learn's SVR.
    gamma : float, or "scale"
        exp(-gamma |x - x'|^2); "scale" is 1 / (columns * variance of X), as in scikit-learn's SVR.
    landmarks : int
        Rank at most of the kernel's approximation; smooth kernels need less.
    exact_limit : int
        Frames beyond which "exact" refuses: its time is quadratic in them.
    random_state : int
        Chooses the landmarks.

    Attributes
    ----------
    method_ : {"exact", "nystroem"}
    gamma_ : float
    machines_ : list of SVR, one a target; exact
    map_ : KernelMap, shared by the targets; nystroem
    coefficients_ : (m + 1, targets) array, the last row the biases; nystroem
    """

    def __init__(
        self,
        method="auto",
        C=1.0,
        epsilon=0.1,
        gamma="scale",
        landmarks=200,
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
            A parameter is out of its range, X or y has NaN, or "exact" has more frames than
            `exact_limit`.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        y = y.astype(np.float64)
        small = len(X) <= self.exact_limit
        if self.method == "exact" and not small:
            raise ValueError(
                f"exact on {len(X)} frames is beyond exact_limit={self.exact_limit}; use nystroem"
            )
        self.method_ = "exact" if self.method != "nystroem" and small else "nystroem"
        self.gamma_ = self._gamma(X)
        self.single_ = y.ndim == 1
        columns = y.reshape(len(y), -1).T
        if self.method_ == "exact":
            self.machines_ = [
                SVR(C=self.C, epsilon=self.epsilon, gamma=self.gamma_).fit(X, column)
                for column in columns
            ]
            return self
        landmarks = draw_landmarks(X, self.gamma_, self.landmarks, self.random_state)
        self.map_ = KernelMap(landmarks, self.gamma_)
        Z = self.map_.features(X)
        self.coefficients_ = np.stack(
            [minimise(Z, column, self.C, self.epsilon) for column in columns], axis=1
        )
        return self

    def predict(self, X):
        """Predictions, (n,) or (n, targets) as `y` was."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self.method_ == "exact":
            values = np.stack([machine.predict(X) for machine in self.machines_], axis=1)
        else:
            values = self.map_.predict(X, self.coefficients_)
        return values[:, 0] if self.single_ else values

    def expansion(self):
        """Support vectors (m, p), dual coefficients (m, targets) and bias (targets,).

        f(x) = sum_i dual_i exp(-gamma |x - support_i|^2) + bias, of a fit to a single target or,
        by landmarks, to any number.
        """
        check_is_fitted(self)
        if self.method_ == "exact":
            (machine,) = self.machines_
            return machine.support_vectors_, machine.dual_coef_.T, machine.intercept_
        dual = self.map_.whitener_ @ self.coefficients_[:-1]
        return self.map_.landmarks, dual, self.coefficients_[-1]

    def _check_parameters(self):
        if self.method not in METHODS:
            raise ValueError(f"method is one of {METHODS}, not {self.method!r}")
        if self.gamma != "scale" and not (isinstance(self.gamma, float | int) and self.gamma > 0):
            raise ValueError(f"gamma is 'scale' or positive, not {self.gamma!r}")
        if not (self.C > 0 and self.epsilon >= 0):
            raise ValueError(f"C={self.C} is to be positive, epsilon={self.epsilon} not negative")
        if not (isinstance(self.landmarks, int | np.integer) and self.landmarks > 0):
            raise ValueError(f"landmarks is a positive integer, not {self.landmarks!r}")

    def _gamma(self, X):
        if self.gamma != "scale":
            return float(self.gamma)
        variance = X.var()
        return float(1 / (X.shape[1] * variance)) if variance > 0 else 1.0

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
