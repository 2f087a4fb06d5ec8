"""Splits by subject: no person is in two; the seed and the names decide who is where."""

import hashlib

import pandas as pd

from affect4d.artifacts.dataset import SPLIT_TABLE, SPLITS, TEST, TRAIN, VALIDATION


def assign_splits(rows: pd.DataFrame, *, validation: float, test: float, seed: int) -> pd.DataFrame:
    """Put every subject into one split.

    Subjects are ordered by a hash of seed, database and name; the first go to the test, the next to
    validation. A share above zero gets at least one subject where there are three or more.

    Parameters
    ----------
    rows : with columns database and subject
    validation, test : shares of the subjects
    seed : the build's seed

    Returns
    -------
    DataFrame
        One row per subject, sorted: the columns of `splits.csv`.
    """
    table = rows.groupby(["database", "subject"], sort=True).size().reset_index(name="images")
    order = sorted(table.index, key=lambda index: _hash(seed, *table.loc[index, :"subject"]))
    tested, validated = (_count(share, len(order)) for share in (test, validation))
    table.insert(2, "split", TRAIN)
    table.loc[order[:tested], "split"] = TEST
    table.loc[order[tested : tested + validated], "split"] = VALIDATION
    return table[SPLIT_TABLE.names]


def _hash(seed: int, database: str, subject: str) -> str:
    return hashlib.sha256(f"{seed}/{database}/{subject}".encode()).hexdigest()


def _count(share: float, subjects: int) -> int:
    minimum = 1 if share > 0 and subjects >= len(SPLITS) else 0
    return max(round(share * subjects), minimum)
