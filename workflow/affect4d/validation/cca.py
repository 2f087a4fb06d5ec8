"""Canonical correlation analysis in closed form (Hotelling 1936; paper, section 4.1).

All it needs of the frames are their moments, which are summed in one pass over chunks.
"""

from functools import reduce

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from affect4d.validation.moments import BLOCK, Moments

FLOATS = [np.float64, np.float32]
RANK_TOLERANCE = 1e-10
FAN_IN = 8


class LinearCCA(TransformerMixin, BaseEstimator):
    """Projections of two views with the largest correlations.

    Both views are scaled to unit variance and whitened by the eigenvectors of their correlation
    matrix, directions without variance left out; the singular vectors of the whitened
    cross-covariance are the projections. Signs are fixed: the largest entry of each of Y's
    projections is positive. The fit is the same to the last bit for any chunking and any order of
    the same frames.

    Parameters
    ----------
    n_components : int
        At most the smaller of the two views' columns; where their ranks are lower, fewer come out.

    Attributes
    ----------
    x_weights_ : (p, C) array
    y_weights_ : (q, C) array
    x_loadings_, y_loadings_ : (p, C), (q, C) arrays
        Covariance of each column with each variate: what changes in a view as a variate grows by
        one standard deviation.
    x_mean_, y_mean_ : (p,), (q,) arrays
    correlations_ : (C,) array, falling
    n_components_ : int
    moments_ : Moments
        Of X and Y side by side; what `partial_fit` goes on from.
    """

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit(self, X, Y):
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

    def partial_fit(self, X, Y):
        """Add frames to those seen; parameters as for `fit`, arrays only.

        Until both views vary there are no projections yet.
        """
        first = not hasattr(self, "moments_")
        X = validate_data(self, X, dtype=FLOATS, reset=first)
        moments, columns = _joint(X, Y), X.shape[1]
        if not first:
            moments = self.moments_.merge(moments)
        self.moments_: Moments = moments
        varies = np.diagonal(moments.covariance) > 0
        if varies[:columns].any() and varies[columns:].any():
            self.fit_moments(moments, columns)
        return self

    def fit_moments(self, moments, columns):
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

    def transform(self, X, Y=None):
        """Variates (n, C) of X, and of Y where it is given: white on the data of the fit."""
        check_is_fitted(self, "x_weights_")
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        x_variates = _project(X, self.x_weights_, self.x_mean_)
        if Y is None:
            return x_variates
        Y = _view(Y)
        check_consistent_length(X, Y)
        return x_variates, _project(Y, self.y_weights_, self.y_mean_)

    def inverse_transform(self, X, Y=None):
        """The views (n, p), and (n, q), that variates stand for: their least squares estimates."""
        check_is_fitted(self, "x_weights_")
        views = check_array(X, dtype=np.float64) @ self.x_loadings_.T + self.x_mean_
        if Y is None:
            return views
        return views, check_array(Y, dtype=np.float64) @ self.y_loadings_.T + self.y_mean_

    def _check_components(self, *columns):
        if not 1 <= self.n_components <= min(columns):
            raise ValueError(
                f"n_components={self.n_components} is not within 1 and {min(columns)}, "
                "the columns of the narrower view"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def joint_moments(X, Y):
    """Moments of the views X (n, p) and Y (n, q) side by side; they merge over chunks of frames."""
    return _joint(check_array(X, dtype=FLOATS, input_name="X"), Y)


def _joint(X, Y):
    Y = _view(Y)
    check_consistent_length(X, Y)
    return Moments.of(X, Y)


def _view(Y):
    if Y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    Y = check_array(Y, dtype=FLOATS, ensure_2d=False, input_name="Y")
    return Y.reshape(len(Y), -1)


def _blockwise(X, Y):
    import dask

    check_consistent_length(X, Y)
    X, Y = X.rechunk({1: -1}), Y[:, None] if Y.ndim == 1 else Y
    Y = Y.rechunk((X.chunks[0], -1))
    blocks = zip(X.chunks[0], X.to_delayed()[:, 0], Y.to_delayed()[:, 0], strict=True)
    task = dask.delayed(joint_moments)
    parts = [task(x, y) for size, x, y in blocks if size]
    if not parts:
        raise ValueError("0 samples (Dask arrays without rows)")
    return merge_tree(parts, _merged)


def merge_tree(parts, merge):
    """One result of Dask tasks, `merge` taking a few of their results at a time."""
    import dask

    while len(parts) > 1:
        groups = [parts[start : start + FAN_IN] for start in range(0, len(parts), FAN_IN)]
        parts = [dask.delayed(merge)(group) for group in groups]
    return parts[0].compute()


def _merged(moments):
    return reduce(Moments.merge, moments)


def _project(view, weights, mean):
    blocks = (view[start : start + BLOCK] for start in range(0, len(view), BLOCK))
    return np.concatenate([(block - mean) @ weights for block in blocks])


def _whitener(covariance, name):
    variance = np.diagonal(covariance)
    if not (variance > 0).any():
        raise ValueError(f"{name} has no variance")
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > RANK_TOLERANCE * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
