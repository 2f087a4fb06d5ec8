"""Arms against each other, with intervals over people and over folds; orders within people.

Every frame is read once, by the network that did not train on its person. Intervals over people
come from a bootstrap of them; those over folds from Student's t of the folds' differences, which
contain other initialisations too.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from affect4d.random_streams import named_rng
from affect4d.training.face_set import AXES
from affect4d.validation.metrics import bootstrap, bootstrap_difference, ccc, mse, pearson

RESAMPLES, LEVEL = 2000, 0.95
BASELINE = "repeated"  # as many steps and frames as every arm that is compared with it
AFEW_VA_UNITS = 10.0  # of AFEW-VA per unit of [-1, 1]
MEASURES = {"ccc": ccc, "pearson": pearson, "mse": mse}


def measure_arms(arms: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """CCC, Pearson's correlation and MSE of each arm; values are in [-1, 1].

    Parameters
    ----------
    arms : name -> fold, subject, valence, arousal, read_valence, read_arousal of every frame
    seed : of the bootstrap

    Returns
    -------
    DataFrame
        One row per arm and axis: arm, axis, the measures and their intervals over people
        (`ccc_low`, `ccc_high`, ...); NaN where one is not defined.
    """
    rows = []
    for name, read in arms.items():
        for axis in AXES:
            values = {m: _defined(f, read, axis) for m, f in MEASURES.items()}
            rng = named_rng(seed, "arms", axis)  # the same people for every arm
            asked, given = read[axis], read[f"read_{axis}"]
            ends = bootstrap(asked, given, read["subject"], resamples=RESAMPLES, rng=rng)
            intervals = {
                f"{m}_{end}": bound
                for m, interval in ends.items()
                for end, bound in zip(("low", "high"), interval, strict=True)
            }
            rows.append({"arm": name, "axis": axis, **values, **intervals})
    return pd.DataFrame(rows)


def _defined(measure: object, read: pd.DataFrame, axis: str) -> float:
    assert callable(measure)
    try:
        return float(measure(read[axis], read[f"read_{axis}"]))
    except ValueError:  # what is read is constant
        return float("nan")


def compare_arms(arms: Mapping[str, pd.DataFrame], baseline: str, seed: int) -> pd.DataFrame:
    """What each arm's CCC exceeds the baseline's by, with intervals.

    Parameters
    ----------
    arms : as `measure_arms` takes them, of the same frames in the same order
    baseline : name of the arm that the others are compared with
    seed : of the bootstrap

    Returns
    -------
    DataFrame
        One row per other arm and axis: arm, axis, difference, low, high (over people), fold_mean,
        fold_low, fold_high (over folds).
    """
    base, rows = arms[baseline], []
    for name, read in arms.items():
        if name == baseline:
            continue
        for axis in AXES:
            column = f"read_{axis}"
            low, high = bootstrap_difference(
                base[axis],
                base[column],
                read[column],
                groups=base["subject"],
                resamples=RESAMPLES,
                seed=seed,
            )["ccc"]
            difference = _defined(ccc, read, axis) - _defined(ccc, base, axis)
            folds = _fold_differences(base, read, axis)
            fold_low, fold_high = student_interval(folds)
            rows.append(
                {
                    "arm": name,
                    "axis": axis,
                    "difference": difference,
                    "low": low,
                    "high": high,
                    "fold_mean": folds.mean(),
                    "fold_low": fold_low,
                    "fold_high": fold_high,
                }
            )
    return pd.DataFrame(rows)


def _fold_differences(base: pd.DataFrame, read: pd.DataFrame, axis: str) -> NDArray[np.float64]:
    folds = sorted(base["fold"].unique())
    each = [
        [_defined(ccc, part[part["fold"] == fold], axis) for fold in folds] for part in (read, base)
    ]
    differences: NDArray[np.float64] = np.subtract(*np.array(each))
    return differences


def student_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of the mean of values (n,) by Student's t; NaN of fewer than two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)


def ccc_of_classes(read: pd.DataFrame, axis: str, seed: int) -> tuple[float, float, float]:
    """CCC of what was asked of each class and the mean of what is read of it, with an interval.

    Parameters
    ----------
    read : subject, class, the axis, and what was read of it; of each image
    axis : valence or arousal
    seed : of the bootstrap over people
    """
    asked = read.groupby("class")[axis].mean().to_numpy()
    by_person = read.pivot_table(index="subject", columns="class", values=f"read_{axis}")
    each = np.ma.masked_invalid(by_person.to_numpy())  # a person may lack a class

    def of(people: NDArray[np.int_]) -> float:
        mean = each[people].mean(axis=0)
        return ccc(asked[~np.ma.getmaskarray(mean)], mean.compressed())

    everyone = np.arange(len(each))
    rng = named_rng(seed, "classes", axis)
    drawn = [of(rng.choice(everyone, len(everyone))) for _ in range(RESAMPLES)]
    return of(everyone), *_interval(np.array(drawn))


def order_within_people(
    low: NDArray[np.floating], high: NDArray[np.floating], seed: int
) -> dict[str, tuple[float, float, float]]:
    """How often what should be read higher is: with intervals over people.

    Parameters
    ----------
    low, high : (P,) what is read of each person's two photographs
    seed : of the bootstrap

    Returns
    -------
    {"within" | "pooled": (AUC, its low end, its high end)}
        within: of each person's own pair; pooled: of every person's low with every person's high.
        Ties count half.
    """
    above = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    draws = named_rng(seed, "order").integers(len(low), size=(RESAMPLES, len(low)))
    within = np.diag(above)[draws].mean(axis=1)
    pooled = np.array([above[np.ix_(draw, draw)].mean() for draw in draws])
    return {
        "within": (float(np.diag(above).mean()), *_interval(within)),
        "pooled": (float(above.mean()), *_interval(pooled)),
    }


def _interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
