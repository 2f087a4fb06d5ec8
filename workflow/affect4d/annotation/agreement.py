"""Agreement of annotators: ICC(2,k), Cronbach's alpha, mean CCC of pairs.

Where nothing differs between frames, agreement is not defined: NaN.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from affect4d.validation.metrics import MIN_RELATIVE_VARIANCE, ccc

Floats = NDArray[np.float64]


def icc_2k(ratings: Floats) -> float:
    """Absolute agreement of the mean of k raters, two-way random effects.

    Shrout & Fleiss, Psychological Bulletin 86 (1979): ICC(2,k).

    Parameters
    ----------
    ratings : (n, k), n frames of k raters, all finite
    """
    rows, raters, error = _mean_squares(ratings)
    if not rows:
        return float("nan")
    return float((rows - error) / (rows + (raters - error) / len(ratings)))


def cronbach_alpha(ratings: Floats) -> float:
    """Consistency of the mean of k raters (n, k); equals ICC(3,k)."""
    rows, _, error = _mean_squares(ratings)
    return float((rows - error) / rows) if rows else float("nan")


def mean_ccc(ratings: Floats) -> float:
    """Mean concordance of pairs of raters (n, k), without pairs of one same constant."""
    pairs = [pair for pair in combinations(ratings.T, 2) if np.ptp(pair) > 0]
    return float(np.mean([ccc(one, other) for one, other in pairs])) if pairs else float("nan")


def _mean_squares(ratings: Floats) -> tuple[float, float, float]:
    """Between rows (0 where that is rounding only), between raters, and the residual's."""
    n, k = ratings.shape
    mean = ratings.mean()
    rows = k * ((ratings.mean(1) - mean) ** 2).sum() / (n - 1)
    raters = n * ((ratings.mean(0) - mean) ** 2).sum() / (k - 1)
    if rows <= MIN_RELATIVE_VARIANCE * (ratings**2).mean():
        rows = 0.0
    residual = ratings - ratings.mean(1, keepdims=True) - ratings.mean(0) + mean
    return float(rows), float(raters), float((residual**2).sum() / ((n - 1) * (k - 1)))
