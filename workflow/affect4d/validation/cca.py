"""Canonical correlation analysis in closed form (Hotelling 1936; paper, section 4.1)."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

RANK_TOLERANCE = 1e-10


class LinearCCA(TransformerMixin, BaseEstimator):
    """Projections of two views with the largest correlations.

    Both views are whitened by the eigenvectors of their covariance, directions without variance
    left out; the singular vectors of the whitened cross-covariance are the projections. Signs are
    fixed: the largest entry of each of Y's projections is positive.

    Parameters
    ----------
    n_components : int
        At most the smaller of the two views' ranks; capped there.

    Attributes
    ----------
    x_weights_ : (p, C) array
    y_weights_ : (q, C) array
    correlations_ : (C,) array, falling
    """

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit(self, X, Y):
        """Find the projections.

        Parameters
        ----------
        X : (n, p) array
        Y : (n, q) array

        Raises
        ------
        ValueError
            A view has no variance, or the shapes do not agree.
        """
        X, Y = check_array(X, dtype=np.float64), check_array(Y, dtype=np.float64)
        check_consistent_length(X, Y)
        self.x_mean_, self.y_mean_ = X.mean(0), Y.mean(0)
        X, Y = X - self.x_mean_, Y - self.y_mean_
        x_whitener, y_whitener = _whitener(X, "X"), _whitener(Y, "Y")
        cross = x_whitener.T @ (X.T @ Y / len(X)) @ y_whitener
        left, correlations, right = np.linalg.svd(cross, full_matrices=False)
        count = min(self.n_components, len(correlations))
        x_weights, y_weights = x_whitener @ left[:, :count], y_whitener @ right[:count].T
        peak = np.abs(y_weights).argmax(0)
        sign = np.sign(y_weights[peak, np.arange(count)])
        self.x_weights_, self.y_weights_ = x_weights * sign, y_weights * sign
        self.correlations_ = np.minimum(correlations[:count], 1.0)
        return self

    def transform(self, X):
        """Variates (n, C) of X: uncorrelated and of unit variance on the data of the fit."""
        check_is_fitted(self)
        return (check_array(X, dtype=np.float64) - self.x_mean_) @ self.x_weights_


def _whitener(centred, name):
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = values > RANK_TOLERANCE * max(values[-1], np.finfo(float).tiny)
    if values[-1] <= 0 or not kept.any():
        raise ValueError(f"{name} has no variance")
    return vectors[:, kept] / np.sqrt(values[kept])
