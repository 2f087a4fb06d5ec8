"""Canonical correlation analysis in closed form (Hotelling 1936; paper, section 4.1).

All it needs of the frames are their moments, which are summed in one pass over chunks.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from affect4d.validation.moments import BLOCK, Moments

FLOATS = [np.float64, np.float32]
RANK_TOLERANCE = 1e-10  # of the largest eigenvalue, below which a direction carries no variance
FAN_IN = 8  # results that one task merges: some chunks' moments fit in memory, not all

T = TypeVar("T")
Floats = NDArray[np.float64]


class LinearCCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Projections of two views with the largest correlations.

    Both views are scaled to unit variance and whitened by the eigenvectors of their correlation
    matrix, directions without variance left out; the singular vectors of the whitened
    cross-covariance are the projections. Signs are fixed: the largest entry of each of Y's
    projections is positive. The fit is the same to the last bit for any chunking and any order of
    the same frames.

    Parameters
    ----------
    n_components : at most the smaller of the two views' columns; where their ranks are lower, fewer
        come out

    Attributes
    ----------
    x_weights_, y_weights_ : (p, C), (q, C)
    x_loadings_, y_loadings_ : (p, C), (q, C)
        Covariance of each column with each variate: what changes in a view as a variate grows by
        one standard deviation.
    x_mean_, y_mean_ : (p,), (q,)
    correlations_ : (C,), falling
    n_components_ : number of variates C
    moments_ : of X and Y side by side; what `partial_fit` continues from
    """

    x_weights_: Floats
    y_weights_: Floats
    x_loadings_: Floats
    y_loadings_: Floats
    x_mean_: Floats
    y_mean_: Floats
    correlations_: Floats
    n_components_: int
    n_features_in_: int
    moments_: Moments

    def __init__(self, n_components: int = 2) -> None:
        self.n_components = n_components

    def fit(self, X: Any, Y: Any) -> Self:
        """Find the projections.

        Parameters
        ----------
        X : (n, p) array, or Dask array
        Y : (n, q) or (n,) array, or Dask array
            Dask arrays are summed block by block and merged as a tree.

        Raises
        ------
        ValueError
            A view has NaN or no variance, the shapes do not agree, or there are more components
            than columns.
        """
        if hasattr(X, "to_delayed"):
            return self.fit_moments(_blockwise(X, Y), X.shape[1])
        X = validate_data(self, X, dtype=FLOATS)
        return self.fit_moments(_joint(X, Y), X.shape[1])

    def partial_fit(self, X: ArrayLike, Y: ArrayLike) -> Self:
        """Add frames to those seen; parameters as for `fit`, arrays only.

        Until both views vary there are no projections yet.
        """
        first = not hasattr(self, "moments_")
        features = validate_data(self, X, dtype=FLOATS, reset=first)
        moments, columns = _joint(features, Y), features.shape[1]
        if not first:
            moments = self.moments_.merge(moments)
        self.moments_ = moments
        varies = np.diagonal(moments.covariance) > 0
        if varies[:columns].any() and varies[columns:].any():
            self.fit_moments(moments, columns)
        return self

    def fit_moments(self, moments: Moments, columns: int) -> Self:
        """Find the projections from the Moments of X and Y side by side; X has `columns`.

        Raises
        ------
        ValueError
            As for `fit`.
        """
        self._check_components(columns, len(moments.levels) - columns)
        if moments.count < 2:
            raise ValueError(f"n_samples={moments.count}: one frame does not vary")
        mean, covariance = moments.mean, moments.covariance
        cross = covariance[:columns, columns:]
        x_whitener = _whitener(covariance[:columns, :columns], "X")
        y_whitener = _whitener(covariance[columns:, columns:], "Y")
        left, correlations, right = np.linalg.svd(
            x_whitener.T @ cross @ y_whitener, full_matrices=False
        )
        count = min(self.n_components, len(correlations))
        x_weights, y_weights = x_whitener @ left[:, :count], y_whitener @ right[:count].T
        peak = np.abs(y_weights).argmax(0)
        sign = np.sign(y_weights[peak, np.arange(count)])
        self.x_weights_, self.y_weights_ = x_weights * sign, y_weights * sign
        self.x_loadings_ = covariance[:columns, :columns] @ self.x_weights_
        self.y_loadings_ = covariance[columns:, columns:] @ self.y_weights_
        self.x_mean_, self.y_mean_ = mean[:columns], mean[columns:]
        self.correlations_ = np.minimum(correlations[:count], 1.0)
        self.n_components_, self.n_features_in_, self.moments_ = count, columns, moments
        return self

    def transform(self, X: ArrayLike, Y: ArrayLike | None = None) -> Any:
        """Variates (n, C) of X, and of Y where it is given: white on the data of the fit."""
        check_is_fitted(self, "x_weights_")
        features = validate_data(self, X, dtype=FLOATS, reset=False)
        x_variates = _project(features, self.x_weights_, self.x_mean_)
        if Y is None:
            return x_variates
        view = _view(Y)
        check_consistent_length(features, view)
        return x_variates, _project(view, self.y_weights_, self.y_mean_)

    def inverse_transform(self, X: ArrayLike, Y: ArrayLike | None = None) -> Any:
        """The views (n, p), and (n, q), that variates stand for: their least squares estimates."""
        check_is_fitted(self, "x_weights_")
        views = check_array(X, dtype=np.float64) @ self.x_loadings_.T + self.x_mean_
        if Y is None:
            return views
        return views, check_array(Y, dtype=np.float64) @ self.y_loadings_.T + self.y_mean_

    def _check_components(self, *columns: int) -> None:
        if not 1 <= self.n_components <= min(columns):
            raise ValueError(
                f"n_components={self.n_components} is not within 1 and {min(columns)}, "
                "the columns of the narrower view"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def joint_moments(X: ArrayLike, Y: ArrayLike) -> Moments:
    """Moments of the views X (n, p) and Y (n, q) side by side; they merge over chunks of frames."""
    return _joint(check_array(X, dtype=FLOATS, input_name="X"), Y)


def _joint(X: NDArray[np.floating], Y: ArrayLike) -> Moments:
    view = _view(Y)
    check_consistent_length(X, view)
    return Moments.of(X, view)


def _view(Y: ArrayLike | None) -> NDArray[np.floating]:
    if Y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    view: NDArray[np.floating] = check_array(Y, dtype=FLOATS, ensure_2d=False, input_name="Y")
    return view.reshape(len(view), -1)


def _blockwise(X: Any, Y: Any) -> Moments:
    from dask.delayed import delayed

    check_consistent_length(X, Y)
    X, Y = X.rechunk({1: -1}), Y[:, None] if Y.ndim == 1 else Y
    Y = Y.rechunk((X.chunks[0], -1))
    blocks = zip(X.chunks[0], X.to_delayed()[:, 0], Y.to_delayed()[:, 0], strict=True)
    task = delayed(joint_moments)
    parts = [task(x, y) for size, x, y in blocks if size]
    if not parts:
        raise ValueError("0 samples (Dask arrays without rows)")
    return merge_tree(parts, _merge_moments)


def merge_tree(parts: list[Any], merge: Callable[[list[T]], T]) -> T:
    """One result of Dask tasks, `merge` taking `FAN_IN` of their results at a time."""
    from dask.delayed import delayed

    while len(parts) > 1:
        groups = [parts[start : start + FAN_IN] for start in range(0, len(parts), FAN_IN)]
        parts = [delayed(merge)(group) for group in groups]
    result: T = parts[0].compute()
    return result


def _merge_moments(moments: Iterable[Moments]) -> Moments:
    return reduce(Moments.merge, moments)


def _project(view: NDArray[np.floating], weights: Floats, mean: Floats) -> Floats:
    blocks = (view[start : start + BLOCK] for start in range(0, len(view), BLOCK))
    return np.concatenate([(block - mean) @ weights for block in blocks])


def _whitener(covariance: Floats, name: str) -> Floats:
    """Weights (p, rank) that bring a view of this covariance (p, p) to unit covariance."""
    variance = np.diagonal(covariance)
    if not (variance > 0).any():
        raise ValueError(f"{name} has no variance")
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > RANK_TOLERANCE * values[-1]
    whitener: Floats = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    return whitener
