"""Folds by person, and whose synthesized images a fold may train on.

A name that is written alike, once normalised, counts as one person, whatever the database: an image
too few is better than a person in both parts.
"""

import pandas as pd
from sklearn.model_selection import GroupKFold

from affect4d.neutrals.candidates import normalise
from affect4d.quarantine import BadInput


def make_folds(real: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Put every person into the test part of one fold.

    Parameters
    ----------
    real : with the columns subject, clip
    count : number of folds
    seed : shuffles the people

    Returns
    -------
    DataFrame
        subject (normalised, sorted), fold (of whose test part the person is), frames.

    Raises
    ------
    BadInput
        There are fewer people than folds.
    """
    subjects = real["subject"].map(normalise)
    people = subjects.value_counts().sort_index()
    if len(people) < count:
        rule = f"{len(people)} people are too few for {count} folds"
        raise BadInput("the real database", rule, "set `folds` lower")
    folds = pd.DataFrame({"subject": people.index, "fold": -1, "frames": people.to_numpy()})
    splitter = GroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, test) in enumerate(splitter.split(folds, groups=folds["subject"])):
        folds.loc[test, "fold"] = fold
    return folds


def allowed(published: pd.DataFrame, folds: pd.DataFrame, fold: int) -> pd.Series:
    """Which published images show nobody of a fold's test part: booleans, as the table's rows."""
    tested = set(folds.loc[folds["fold"] == fold, "subject"])
    return ~published["subject"].map(normalise).isin(tested)
