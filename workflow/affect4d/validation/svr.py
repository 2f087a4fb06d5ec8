"""Support vector regression with an RBF kernel, exact or at the scale of databases.

The exact solver's time grows with the square of the frames. Beyond its limit the kernel is
approximated by finite features (Nystroem: Williams & Seeger 2001) and the very same
epsilon-insensitive loss is minimised in the primal, in time that grows with the frames.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVR
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from affect4d.validation.primal import minimise

METHODS = "auto", "exact", "nystroem"
BLOCK = 8192  # frames whose kernel is held in double precision at once: 13 MB of 200 components

Floats = NDArray[np.float64]


class KernelSVR(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Epsilon-insensitive regression in an RBF kernel's space, one function per target.

    Parameters
    ----------
    method : {"auto", "exact", "nystroem"}
        "auto" is exact up to `exact_limit` frames.
    C, epsilon : penalty of the loss and half width of the tube without loss, as in scikit-learn
    gamma : of exp(-gamma |x - x'|^2), or "scale"
        "scale" is 1 / (columns * variance of X), as in scikit-learn's SVR.
    n_components : features that approximate the kernel, as in scikit-learn's Nystroem
    exact_limit : frames beyond which "exact" refuses: its time is quadratic in them
    random_state : chooses the frames that the features are made of

    Attributes
    ----------
    method_ : {"exact", "nystroem"}
    gamma_ : positive number
    machines_ : one SVR per target; exact
    kernel_ : fitted Nystroem, shared by the targets; nystroem
    coefficients_ : (m + 1, targets), the last row the biases; nystroem
    """

    method_: str
    gamma_: float
    machines_: list[SVR]
    kernel_: Nystroem
    coefficients_: Floats

    def __init__(
        self,
        method: str = "auto",
        *,
        C: float = 1.0,
        epsilon: float = 0.1,
        gamma: float | str = "scale",
        n_components: int = 200,
        exact_limit: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.method = method
        self.C = C
        self.epsilon = epsilon
        self.gamma = gamma
        self.n_components = n_components
        self.exact_limit = exact_limit
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to X (n, p) and y, (n,) or (n, targets).

        Raises
        ------
        ValueError
            A parameter is out of its range, X or y has NaN, or "exact" has more frames than
            `exact_limit`.
        """
        self._check_parameters()
        features, targets = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True
        )
        count, targets = len(features), targets.astype(np.float64)
        small = count <= self.exact_limit
        if self.method == "exact" and not small:
            raise ValueError(
                f"exact on {count} frames is beyond exact_limit={self.exact_limit}; use nystroem"
            )
        self.method_ = "exact" if self.method != "nystroem" and small else "nystroem"
        self.gamma_ = self._gamma(features)
        self.single_ = targets.ndim == 1
        columns = targets.reshape(count, -1).T
        if self.method_ == "exact":
            self.machines_ = [
                SVR(C=self.C, epsilon=self.epsilon, gamma=self.gamma_).fit(features, column)
                for column in columns
            ]
            return self
        self.kernel_ = fit_kernel(features, self.gamma_, self.n_components, seed=self.random_state)
        Z = kernel_features(self.kernel_, features)
        self.coefficients_ = np.stack(
            [minimise(Z, column, C=self.C, epsilon=self.epsilon) for column in columns], axis=1
        )
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Predictions, (n,) or (n, targets) as `y` was."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        if self.method_ == "exact":
            values = np.stack([machine.predict(features) for machine in self.machines_], axis=1)
        else:
            values = predict_from_kernel(self.kernel_, features, self.coefficients_)
        return values[:, 0] if self.single_ else values

    def expansion(self) -> tuple[Floats, Floats, Floats]:
        """Support vectors (m, p), dual coefficients (m, targets) and bias (targets,).

        f(x) = sum_i dual_i exp(-gamma |x - support_i|^2) + bias, of a fit to a single target or,
        by finite features, to any number.
        """
        check_is_fitted(self)
        if self.method_ == "exact":
            (machine,) = self.machines_
            return machine.support_vectors_, machine.dual_coef_.T, machine.intercept_
        dual = self.kernel_.normalization_.T @ self.coefficients_[:-1]
        return self.kernel_.components_, dual, self.coefficients_[-1]

    def _check_parameters(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is one of {METHODS}, not {self.method!r}")
        if self.gamma != "scale" and not (isinstance(self.gamma, float | int) and self.gamma > 0):
            raise ValueError(f"gamma is 'scale' or positive, not {self.gamma!r}")
        if not (self.C > 0 and self.epsilon >= 0):
            raise ValueError(f"C={self.C} must be positive, epsilon={self.epsilon} not negative")
        if not (isinstance(self.n_components, int | np.integer) and self.n_components > 0):
            raise ValueError(f"n_components is a positive integer, not {self.n_components!r}")

    def _gamma(self, X: Floats) -> float:
        if self.gamma != "scale":
            return float(self.gamma)
        variance = X.var()
        return float(1 / (X.shape[1] * variance)) if variance > 0 else 1.0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def fit_kernel(X: Floats, gamma: float, n_components: int, *, seed: int) -> Nystroem:
    """A Nystroem approximation of the RBF kernel by rows of X (n, p), all of them if there are few.

    Parameters
    ----------
    X : (n, p)
    gamma : of exp(-gamma |x - x'|^2)
    n_components : rows at most
    seed : draws the rows
    """
    count = min(n_components, len(X))
    return Nystroem(gamma=gamma, n_components=count, random_state=seed).fit(X)


def kernel_features(kernel: Nystroem, X: Floats) -> NDArray[np.float32]:
    """Features (n, m + 1) of X (n, p) whose products approximate the kernel; the last is one."""
    Z = np.ones((len(X), len(kernel.components_) + 1), np.float32)
    for rows in gen_batches(len(X), BLOCK):
        Z[rows, :-1] = kernel.transform(X[rows])
    return Z


def predict_from_kernel(kernel: Nystroem, X: Floats, weights: Floats) -> Floats:
    """Values (n, targets) at X (n, p) of functions with weights (m + 1, targets) of features."""
    dual = kernel.normalization_.T @ weights[:-1]
    values = [
        rbf_kernel(X[rows], kernel.components_, gamma=kernel.gamma) @ dual
        for rows in gen_batches(len(X), BLOCK)
    ]
    predicted: Floats = np.concatenate(values) + weights[-1]
    return predicted
