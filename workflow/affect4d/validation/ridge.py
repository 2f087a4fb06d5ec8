"""Ridge regression on all components: what the two canonical variates and the kernel are worth.

It needs no more of the frames than their moments, which are summed already.
"""

from functools import reduce

import numpy as np

from affect4d.validation.moments import Moments

PENALTIES = np.logspace(-6, 1, 15)  # in units of a standardised component's variance


class MomentRidge:
    """Linear least squares with a penalty on the standardised weights (Hoerl & Kennard 1970).

    Attributes
    ----------
    coefficients_ : (p, q) array
    intercept_ : (q,) array
    penalties_ : (q,) array
        One a target, of the least squared error over the folds held out.
    """

    def fit(self, folds, columns):
        """Fit.

        Parameters
        ----------
        folds : list of Moments
            Of features and targets side by side, a fold of subjects each. Of a single one the
            smallest penalty is taken.
        columns : int
            Features p; the rest are targets.
        """
        whole = reduce(Moments.merge, folds)
        errors = np.zeros((len(PENALTIES), len(whole.levels) - columns))
        for number, held in enumerate(folds if len(folds) > 1 else []):
            others = reduce(Moments.merge, [*folds[:number], *folds[number + 1 :]])
            for row, (weights, bias) in enumerate(_paths(others, columns)):
                errors[row] += held.count * _squared_error(held, weights, bias)
        best = errors.argmin(0)
        path = _paths(whole, columns)
        self.coefficients_ = np.stack([path[k][0][:, q] for q, k in enumerate(best)], axis=1)
        self.intercept_ = np.array([path[k][1][q] for q, k in enumerate(best)])
        self.penalties_ = PENALTIES[best]
        return self

    def predict(self, X):
        """Predictions (n, q) of X (n, p)."""
        return X @ self.coefficients_ + self.intercept_


def _paths(moments, columns):
    """(weights (p, q), bias (q,)) for each penalty."""
    mean, covariance = moments.mean, moments.covariance
    variance = np.diagonal(covariance)[:columns]
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    values, vectors = np.linalg.eigh(covariance[:columns, :columns] / np.outer(scale, scale))
    cross = vectors.T @ (covariance[:columns, columns:] / scale[:, None])
    found = []
    for penalty in PENALTIES:
        shrunk = cross / (np.maximum(values, 0) + penalty)[:, None]
        weights = (vectors @ shrunk) / scale[:, None]
        found.append((weights, mean[columns:] - mean[:columns] @ weights))
    return found


def _squared_error(moments, weights, bias):
    """Mean squared error (q,) on frames of which the moments are known."""
    columns = len(weights)
    mean, covariance = moments.mean, moments.covariance
    explained = np.einsum("pq,pr,rq->q", weights, covariance[:columns, :columns], weights)
    cross = (weights * covariance[:columns, columns:]).sum(0)
    offset = mean[columns:] - mean[:columns] @ weights - bias
    return np.diagonal(covariance)[columns:] - 2 * cross + explained + offset**2
