"""Ridge regression on all components: what the two canonical variates and the kernel are worth.

It needs no more of the frames than their moments, which are summed already.
"""

from functools import reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

from affect4d.validation.moments import Moments

# In units of a standardised component's variance: from next to none to one that leaves a tenth.
PENALTIES = np.logspace(-6, 1, 15)

Floats = NDArray[np.float64]


class MomentRidge:
    """Linear least squares with a penalty on the standardised weights (Hoerl & Kennard 1970).

    Attributes
    ----------
    coefficients_ : (p, q)
    intercept_ : (q,)
    penalties_ : (q,)
        One per target, of the smallest squared error over the folds held out.
    """

    coefficients_: Floats
    intercept_: Floats
    penalties_: Floats

    def fit(self, folds: list[Moments], columns: int) -> Self:
        """Fit.

        Parameters
        ----------
        folds : of features and targets side by side, one per fold of subjects; of a single one the
            smallest penalty is taken
        columns : number of features p; the other columns are targets
        """
        total = reduce(Moments.merge, folds)
        errors = np.zeros((len(PENALTIES), len(total.levels) - columns))
        for number, held in enumerate(folds if len(folds) > 1 else []):
            others = reduce(Moments.merge, [*folds[:number], *folds[number + 1 :]])
            for row, (weights, bias) in enumerate(_paths(others, columns)):
                errors[row] += held.count * _squared_error(held, weights, bias)
        best = errors.argmin(0)
        path = _paths(total, columns)
        self.coefficients_ = np.stack([path[k][0][:, q] for q, k in enumerate(best)], axis=1)
        self.intercept_ = np.array([path[k][1][q] for q, k in enumerate(best)])
        self.penalties_ = PENALTIES[best]
        return self

    def predict(self, X: NDArray[np.floating]) -> Floats:
        """Predictions (n, q) of X (n, p)."""
        return X @ self.coefficients_ + self.intercept_


def _paths(moments: Moments, columns: int) -> list[tuple[Floats, Floats]]:
    """(weights (p, q), bias (q,)) for each penalty."""
    mean, covariance = moments.mean, moments.covariance
    variance = np.diagonal(covariance)[:columns]
    scale = np.where(variance > 0, np.sqrt(variance), 1.0)
    values, vectors = np.linalg.eigh(covariance[:columns, :columns] / np.outer(scale, scale))
    cross = vectors.T @ (covariance[:columns, columns:] / scale[:, None])
    fits = []
    for penalty in PENALTIES:
        shrunk = cross / (np.maximum(values, 0) + penalty)[:, None]
        weights = (vectors @ shrunk) / scale[:, None]
        fits.append((weights, mean[columns:] - mean[:columns] @ weights))
    return fits


def _squared_error(moments: Moments, weights: Floats, bias: Floats) -> Floats:
    """Mean squared error (q,) on frames of which the moments are known."""
    columns = len(weights)
    mean, covariance = moments.mean, moments.covariance
    explained = np.einsum("pq,pr,rq->q", weights, covariance[:columns, :columns], weights)
    cross = (weights * covariance[:columns, columns:]).sum(0)
    offset = mean[columns:] - mean[:columns] @ weights - bias
    error: Floats = np.diagonal(covariance)[columns:] - 2 * cross + explained + offset**2
    return error
