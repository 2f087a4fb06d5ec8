"""Agreement of predictions with annotations (paper, equation 2); variances are the population's.

Each measure is a function of six sums, so that resampling subjects means to weigh their sums.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Share of the mean square below which a variance counts as zero: that of a constant, from rounded
# sums, is not quite zero.
MIN_RELATIVE_VARIANCE = 1e-12


def ccc(y: ArrayLike, p: ArrayLike) -> float:
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


def mse(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared error.

    Parameters as for `ccc`; raises ValueError where they are empty, of different shapes or not
    finite.
    """
    y, p = _pair(y, p)
    return float(((y - p) ** 2).mean())


def pearson(y: ArrayLike, p: ArrayLike) -> float:
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


def bootstrap(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike,
    *,
    resamples: int,
    rng: Generator,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of CCC, MSE and Pearson's correlation over resampled groups.

    Frames of one subject are not independent: subjects are drawn with all their frames.

    Parameters
    ----------
    y, p : (n,) arrays
    groups : (n,) array
        The subject of each frame.
    resamples : number of draws
    rng : draws the groups
    level : share of the resamples within the interval

    Returns
    -------
    {"ccc" | "mse" | "pearson": (low, high)}
        Over the resamples for which the measure is defined; NaN where there are none.

    Raises
    ------
    ValueError
        y and p are empty, of different shapes or not finite, or groups has another length.
    """
    measures = _resample(y, p, groups, resamples=resamples, rng=rng)
    return {name: _quantiles(values, level) for name, values in measures.items()}


def bootstrap_difference(
    y: ArrayLike,
    p: ArrayLike,
    q: ArrayLike,
    *,
    groups: ArrayLike,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of what q's CCC, MSE and Pearson's correlation exceed p's by.

    Both predictions are measured on the same draws of groups.

    Parameters
    ----------
    y, p, q : (n,) arrays
        Annotations, predictions, and those that are compared with them.
    seed : of the draws

    The others are those of `bootstrap`, as are what is returned and raised.
    """
    ours, theirs = (
        _resample(y, each, groups, resamples=resamples, rng=np.random.default_rng(seed))
        for each in (q, p)
    )
    return {name: _quantiles(values - theirs[name], level) for name, values in ours.items()}


def _resample(
    y: ArrayLike, p: ArrayLike, groups: ArrayLike, *, resamples: int, rng: Generator
) -> dict[str, Floats]:
    """The measures, (resamples,) each, of groups drawn with all their frames."""
    labels, predicted = _pair(y, p)
    names, group = np.unique(groups, return_inverse=True)
    if len(group) != len(labels):
        raise ValueError(f"{len(group)} groups for {len(labels)} frames")
    a, b = labels - labels.mean(), predicted - labels.mean()
    terms = np.ones_like(a), a, b, a * a, b * b, a * b
    sums = np.stack([np.bincount(group, term) for term in terms], axis=1)
    drawn = rng.integers(len(names), size=(resamples, len(names)))
    drawn += len(names) * np.arange(resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return _from_sums(times.astype(np.float64) @ sums)


def _from_sums(sums: Floats) -> dict[str, Floats]:
    """The measures, (R,) each, of sums (R, 6) of 1, y, p, yy, pp and yp; NaN if not defined."""
    count, *moments = sums.T
    y, p, yy, pp, yp = (moment / count for moment in moments)
    covariance, y_variance, p_variance = yp - y * p, _variance(y, yy), _variance(p, pp)
    return {
        "ccc": _ratio(2 * covariance, y_variance + p_variance + (y - p) ** 2),
        "mse": yy - 2 * yp + pp,
        "pearson": _ratio(covariance, np.sqrt(y_variance * p_variance)),
    }


def _variance(mean: Floats, square: Floats) -> Floats:
    variance = square - mean * mean
    return np.where(variance > MIN_RELATIVE_VARIANCE * square, variance, 0)


def _ratio(above: Floats, below: Floats) -> Floats:
    undefined = np.full(len(above), np.nan)
    ratio: Floats = np.divide(above, below, out=undefined, where=below > 0)
    return ratio


def _quantiles(values: Floats, level: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _pair(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or not y.size:
        raise ValueError(f"two arrays (n,) of one length are compared, not {y.shape}, {p.shape}")
    for name, values in (("annotations", y), ("predictions", p)):
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} of {len(y)} {name} are not finite")
    return y, p
