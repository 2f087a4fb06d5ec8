"""Agreement of annotators: ICC(2,k), Cronbach's alpha, mean CCC of pairs."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from affect4d.validation.metrics import ccc

Floats = NDArray[np.float64]


def icc_2k(ratings: Floats) -> float:
    """Absolute agreement of the mean of k raters, two-way random effects.

    Shrout & Fleiss, Psychological Bulletin 86 (1979): ICC(2,k).

    Parameters
    ----------
    ratings : (n, k), n frames of k raters, all finite
    """
    rows, raters, error = _mean_squares(ratings)
    return float((rows - error) / (rows + (raters - error) / len(ratings)))


def cronbach_alpha(ratings: Floats) -> float:
    """Consistency of the mean of k raters (n, k); equals ICC(3,k)."""
    rows, _, error = _mean_squares(ratings)
    return float((rows - error) / rows)


def mean_ccc(ratings: Floats) -> float:
    """Mean concordance of all pairs of raters (n, k)."""
    pairs = combinations(ratings.T, 2)
    return float(np.mean([ccc(one, other) for one, other in pairs]))


def _mean_squares(ratings: Floats) -> tuple[float, float, float]:
    """Between rows, between raters, and the residual's."""
    n, k = ratings.shape
    mean = ratings.mean()
    rows = k * ((ratings.mean(1) - mean) ** 2).sum() / (n - 1)
    raters = n * ((ratings.mean(0) - mean) ** 2).sum() / (k - 1)
    residual = ratings - ratings.mean(1, keepdims=True) - ratings.mean(0) + mean
    return float(rows), float(raters), float((residual**2).sum() / ((n - 1) * (k - 1)))
