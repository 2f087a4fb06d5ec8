"""Agreement of predictions with annotations (paper, equation 2); variances are the population's."""

import numpy as np


def ccc(y, p):
    """Concordance correlation coefficient; NaN where both are constant and equal.

    Parameters
    ----------
    y, p : (n,) arrays
        Annotations and predictions.

    Raises
    ------
    ValueError
        They are empty or of different shapes.
    """
    y, p = _pair(y, p)
    covariance = ((y - y.mean()) * (p - p.mean())).mean()
    scatter = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    return float(2 * covariance / scatter) if scatter > 0 else float("nan")


def mse(y, p):
    """Mean squared error; parameters and errors as for `ccc`."""
    y, p = _pair(y, p)
    return float(((y - p) ** 2).mean())


def pearson(y, p):
    """Pearson's correlation; NaN where one is constant. Parameters and errors as for `ccc`."""
    y, p = _pair(y, p)
    covariance = ((y - y.mean()) * (p - p.mean())).mean()
    spread = y.std() * p.std()
    return float(covariance / spread) if spread > 0 else float("nan")


def bootstrap(y, p, groups, resamples, rng, level=0.95):
    """Percentile intervals of CCC and MSE over resampled groups.

    Frames of one subject are not independent: whole subjects are drawn.

    Parameters
    ----------
    y, p : (n,) arrays
    groups : (n,) array
        The subject of each frame.
    resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    dict of {"ccc", "mse"} to (low, high); NaN where there are no resamples
    """
    y, p = _pair(y, p)
    names, group = np.unique(groups, return_inverse=True)
    terms = np.stack([np.ones_like(y), y, p, y * y, p * p, y * p], axis=1)
    sums = np.stack([np.bincount(group, column) for column in terms.T], axis=1)
    drawn = sums[rng.integers(len(names), size=(resamples, len(names)))].sum(1)
    count, *moments = drawn.T
    y1, p1, yy, pp, yp = (moment / count for moment in moments)
    scatter = yy - y1**2 + pp - p1**2 + (y1 - p1) ** 2
    coefficient = np.divide(
        2 * (yp - y1 * p1), scatter, out=np.full(resamples, np.nan), where=scatter > 0
    )
    tails = (1 - level) / 2, (1 + level) / 2
    values = {"ccc": coefficient, "mse": yy - 2 * yp + pp}
    return {
        name: tuple(np.nanquantile(value, tails)) if resamples else (np.nan, np.nan)
        for name, value in values.items()
    }


def _pair(y, p):
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or not y.size:
        raise ValueError(f"two arrays (n,) of one length are compared, not {y.shape}, {p.shape}")
    return y, p
