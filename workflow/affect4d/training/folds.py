"""Folds by person, and whose synthesized images a fold may train on.

A name that is written alike, once normalised, counts as one person, whatever the database: an image
too few is better than a person in both parts.
"""

from pathlib import Path

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


def find_leaks(used: pd.DataFrame, accepted: pd.DataFrame, folds: pd.DataFrame) -> list[str]:
    """People of a fold's test part whose photographs are behind images that the fold trains on.

    It asks the build's lineage, not the dataset's own column `subject`: each image's neutral
    photograph, and who is in that by `accepted.csv`.

    Parameters
    ----------
    used : fold, image_id, neutral_image_id of every synthesized image and fold that trains on it
    accepted : image_id, subject, subject_name of the build's neutral photographs
    folds : of `make_folds`

    Returns
    -------
    list
        One line per leak, or image whose lineage ends; empty if there is none.
    """
    tested = folds.groupby("fold")["subject"].agg(set)
    # the dataset names a photograph with its database before it
    accepted = accepted.assign(neutral=accepted["database"] + "-" + accepted["image_id"])
    people = {
        row.neutral: {normalise(str(row.subject)), normalise(str(row.subject_name))}
        for row in accepted.itertuples()
    }
    leaks = []
    for row in used.itertuples():
        shown = people.get(row.neutral_image_id)
        if shown is None:
            leaks.append(f"{row.image_id}: no accepted photograph {row.neutral_image_id}")
        elif shared := shown & tested[row.fold]:
            leaks.append(f"fold {row.fold}: {row.image_id} shows {', '.join(sorted(shared))}")
    return leaks


def check_leaks(used: pd.DataFrame, accepted: pd.DataFrame, folds: pd.DataFrame) -> None:
    """Raise what `find_leaks` finds.

    Raises
    ------
    BadInput
        A person is on both sides of a fold.
    """
    if leaks := find_leaks(used, accepted, folds):
        rule = f"{len(leaks)} images leak: {'; '.join(leaks[:3])}"
        raise BadInput(Path("folds.csv"), rule, "name every person alike, then publish again")
