"""Does a network read the same affect alike on people of different groups? (`affect4d audit-model`)

Every person of a published dataset shows the same classes of valence and arousal, which no
collection of photographs can offer: what differs between groups in what is read is not what they
showed. People, not images, are the sample: tests permute people, intervals are Welch's.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from affect4d.random_streams import named_rng
from affect4d.training.face_set import AXES

PERMUTATIONS = 4999  # draws: p-values down to .0002, enough for Holm's correction of some 50 tests
LEVEL = 0.95
ROUNDING = 1e-9  # of the largest value: what networks compute in single precision differs by more
MIN_PEOPLE = 2  # of a group, and of the rest


def measure_people(table: pd.DataFrame, read: pd.DataFrame) -> pd.DataFrame:
    """What a network reads of each person over the classes that everyone shows.

    Parameters
    ----------
    table : subject, class, valence, arousal (asked) of N images
    read : what was read of each, one column per output

    Returns
    -------
    DataFrame
        By subject. Columns `{output}: level`, the mean of what was read, and for outputs named
        valence or arousal `{output}: error`, the root mean square of read minus asked.
    """
    joined = pd.concat([table.reset_index(drop=True), read.add_prefix("read ")], axis=1)
    everyone = joined.groupby("class")["subject"].nunique()
    common = joined[joined["class"].isin(everyone[everyone == everyone.max()].index)]
    by_person = common.groupby("subject")
    measures = {f"{name}: level": by_person[f"read {name}"].mean() for name in read}
    for axis in set(AXES) & set(read):
        squares = (common[f"read {axis}"] - common[axis]) ** 2
        measures[f"{axis}: error"] = np.sqrt(squares.groupby(common["subject"]).mean())
    return pd.DataFrame(measures).sort_index(axis=1)


def compare_groups(people: pd.DataFrame, groups: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Each group against all others of its attribute, in each measure.

    Parameters
    ----------
    people : of `measure_people`
    groups : by subject, one column of group names per attribute; missing: not compared
    seed : of the permutations

    Returns
    -------
    DataFrame
        attribute, group, people, others, measure, difference (the group's mean minus the others'),
        low, high (Welch's interval), p (of a permutation of people), p_holm (corrected for all
        rows); sorted by p_holm.
    """
    found = pd.DataFrame(list(_comparisons(people, groups, seed)), columns=_COLUMNS)
    found["p_holm"] = holm(found["p"].to_numpy(float))
    return found.sort_values(["p_holm", "p"], kind="stable", ignore_index=True)


_COLUMNS = [
    "attribute", "group", "people", "others", "measure", "difference", "low", "high", "p",
]  # fmt: skip


def _comparisons(
    people: pd.DataFrame, groups: pd.DataFrame, seed: int
) -> Iterator[tuple[object, ...]]:
    for attribute in groups:
        known = groups[attribute].reindex(people.index).dropna()
        names = sorted(known.unique())
        # of two groups the second's comparison would be the first's again
        for name in names[: 1 if len(names) == 2 else None]:
            member = (known == name).to_numpy()
            if min(member.sum(), (~member).sum()) < MIN_PEOPLE:
                continue
            values = people.loc[known.index].to_numpy(float)
            rng = named_rng(seed, "groups", attribute, name)
            p = permutation_p(values, member, rng)
            for measure, column, each in zip(people, values.T, p, strict=True):
                ours, others = column[member], column[~member]
                difference = float(ours.mean() - others.mean())
                interval = welch_interval(ours, others)
                counts = len(ours), len(others)
                yield attribute, name, *counts, measure, difference, *interval, each


def welch_interval(ours: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float]:
    """Welch's interval of the difference of two means; no people differ: the difference itself."""
    shares = np.array([each.var(ddof=1) / len(each) for each in (ours, others)])
    difference = float(ours.mean() - others.mean())
    if not shares.any():
        return difference, difference
    freedom = shares.sum() ** 2 / (shares**2 / [len(ours) - 1, len(others) - 1]).sum()
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(shares.sum()))
    return difference - half, difference + half


def permutation_p(
    values: NDArray[np.float64], member: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Two-sided p of the difference of two groups' means: people are permuted.

    Parameters
    ----------
    values : (P, M) of each person
    member : (P,) whether a person is in the group

    Returns
    -------
    (M,); the observed order counts as one of the draws, so that p is never 0
    """
    weights = np.where(member, 1 / member.sum(), -1 / (~member).sum())
    draws = rng.permuted(np.tile(weights, (PERMUTATIONS, 1)), axis=1)
    observed, drawn = np.abs(weights @ values), np.abs(draws @ values)
    # what differs by rounding alone is equal
    rounding = ROUNDING * np.abs(values).max(axis=0)
    as_large = (drawn >= observed - rounding).sum(axis=0)
    p: NDArray[np.float64] = (1 + as_large) / (1 + PERMUTATIONS)
    return p


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's (1979) corrected p-values (n,): the chance of one false finding stays below each."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected
