"""Agreement of predictions with annotations (paper, equation 2); variances are the population's.

Each measure is a function of six sums, so that resampling subjects means to weigh their sums.
"""

import numpy as np

# The variance of a constant from rounded sums is not quite zero.
CONSTANT = 1e-12


def ccc(y, p):
    """Concordance correlation coefficient.

    Parameters
    ----------
    y, p : (n,) arrays
        Annotations and predictions.

    Raises
    ------
    ValueError
        They are empty, of different shapes, not finite, or both the same constant.
    """
    y, p = _pair(y, p)
    covariance = ((y - y.mean()) * (p - p.mean())).mean()
    scatter = y.var() + p.var() + (y.mean() - p.mean()) ** 2
    if scatter == 0:
        raise ValueError("CCC is not defined: both are the same constant")
    return float(2 * covariance / scatter)


def mse(y, p):
    """Mean squared error.

    Parameters as for `ccc`; raises ValueError where they are empty, of different shapes or not
    finite.
    """
    y, p = _pair(y, p)
    return float(((y - p) ** 2).mean())


def pearson(y, p):
    """Pearson's correlation.

    Parameters as for `ccc`; raises ValueError where they are empty, of different shapes, not
    finite, or one is constant.
    """
    y, p = _pair(y, p)
    for name, values in (("annotations", y), ("predictions", p)):
        if np.ptp(values) == 0:
            raise ValueError(f"Pearson's correlation is not defined: constant {name}")
    covariance = ((y - y.mean()) * (p - p.mean())).mean()
    return float(np.clip(covariance / (y.std() * p.std()), -1, 1))


def bootstrap(y, p, groups, resamples, rng, level=0.95):
    """Percentile intervals of CCC, MSE and Pearson's correlation over resampled groups.

    Frames of one subject are not independent: whole subjects are drawn.

    Parameters
    ----------
    y, p : (n,) arrays
    groups : (n,) array
        The subject of each frame.
    resamples : int
    rng : numpy.random.Generator
    level : float
        Share of the resamples within the interval.

    Returns
    -------
    dict of {"ccc", "mse", "pearson"} to (low, high)
        Over the resamples for which the measure is defined; NaN where there are none.

    Raises
    ------
    ValueError
        y and p are empty, of different shapes or not finite, or groups has another length.
    """
    y, p = _pair(y, p)
    if len(groups) != len(y):
        raise ValueError(f"{len(groups)} groups for {len(y)} frames")
    names, group = np.unique(groups, return_inverse=True)
    centre = y.mean()
    y, p = y - centre, p - centre
    terms = np.ones_like(y), y, p, y * y, p * p, y * p
    sums = np.stack([np.bincount(group, term) for term in terms], axis=1)
    drawn = rng.integers(len(names), size=(resamples, len(names)))
    drawn += len(names) * np.arange(resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    measures = _from_sums(times @ sums)
    tails = (1 - level) / 2, (1 + level) / 2
    return {name: _quantiles(values, tails) for name, values in measures.items()}


def _from_sums(sums):
    """The measures, (R,) each, of sums (R, 6) of 1, y, p, yy, pp and yp; NaN if not defined."""
    count, *moments = sums.T
    y, p, yy, pp, yp = (moment / count for moment in moments)
    covariance, y_variance, p_variance = yp - y * p, _spread(y, yy), _spread(p, pp)
    return {
        "ccc": _ratio(2 * covariance, y_variance + p_variance + (y - p) ** 2),
        "mse": yy - 2 * yp + pp,
        "pearson": _ratio(covariance, np.sqrt(y_variance * p_variance)),
    }


def _spread(mean, square):
    variance = square - mean * mean
    return np.where(variance > CONSTANT * square, variance, 0)


def _ratio(above, below):
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _quantiles(values, tails):
    values = values[~np.isnan(values)]
    return tuple(map(float, np.quantile(values, tails))) if len(values) else (np.nan, np.nan)


def _pair(y, p):
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or not y.size:
        raise ValueError(f"two arrays (n,) of one length are compared, not {y.shape}, {p.shape}")
    for name, values in (("annotations", y), ("predictions", p)):
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} of {len(y)} {name} are not finite")
    return y, p
