"""Who is on the images that networks learn from: nobody of the test part, nobody who withdrew.

The dataset's column `subject` is not relied on: each image is followed to its neutral photograph,
and `neutrals/*/accepted.csv`, or the real database itself, says who is in that. A name that is
written alike, once normalised, counts as one person, whatever the database.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.artifacts.dataset import DATASET
from affect4d.neutrals.candidates import Candidate, normalise
from affect4d.neutrals.withdrawn import read_withdrawn, withdrawal_lists
from affect4d.quarantine import BadInput

REAL = "real"  # the database of the frames, before their names as a build's is before photographs'
_COLUMNS = ["database", "image_id", "subject", "subject_name"]
People = Mapping[str, frozenset[str]]  # normalised names of who is in a photograph, by its name


def withdrawn_names(results: Path) -> set[str]:
    """The normalised names of the people on the list that a build's settings name."""
    stated = store.read_manifest(DATASET.manifest(results)).settings
    lists = withdrawal_lists([stated], results)
    return {normalise(person.subject) for file in lists for person in read_withdrawn(file)}


def names_of(frame: Candidate) -> set[str]:
    """The normalised names of the person in a frame."""
    return {normalise(frame.subject_id), normalise(frame.subject_name)}


def list_frames(frames: list[Candidate]) -> pd.DataFrame:
    """Frames of the real set as a build lists the photographs that it accepted."""
    rows = [(REAL, f.image_id, f.subject_id, f.subject_name) for f in frames]
    return pd.DataFrame(rows, columns=_COLUMNS)


def people_behind(photographs: pd.DataFrame) -> People:
    """Who is in each photograph, by its name in datasets.

    Parameters
    ----------
    photographs : database, image_id, subject, subject_name
    """
    rows = photographs[_COLUMNS].astype(str).itertuples(index=False, name=None)
    return {
        # the dataset names a photograph with its database before it
        f"{database}-{image_id}": frozenset({normalise(subject), normalise(name)})
        for database, image_id, subject, name in rows
    }


def find_leaks(
    learned: pd.DataFrame,
    people: People,
    *,
    tested: Mapping[str, Collection[str]],
    gone: Collection[str] = (),
) -> Iterator[str]:
    """Images that must not have been learned from, or whose lineage ends: one line each.

    Parameters
    ----------
    learned : run, image_id, neutral_image_id of every image that a run learns from
    people : of `people_behind`
    tested : normalised names of those whom each run is tested on
    gone : normalised names of those who withdrew, whom no line names
    """
    for run, image_id, neutral in zip(
        learned["run"], learned["image_id"], learned["neutral_image_id"], strict=True
    ):
        shown = people.get(neutral)
        if shown is None:
            yield f"{run}: {image_id}: no accepted photograph {neutral}"
        elif shared := shown & set(tested[run]):
            yield f"{run}: {image_id} shows {', '.join(sorted(shared))}"
        elif shown & set(gone):
            yield f"{run}: an image shows somebody who withdrew"


def check_leaks(
    used: pd.DataFrame, people: People, folds: pd.DataFrame, *, gone: Collection[str] = ()
) -> None:
    """Raise what `find_leaks` finds.

    Parameters
    ----------
    used : fold, image_id, neutral_image_id of every synthesized image and fold that trains on it
    people : of `people_behind`
    folds : of `make_folds`
    gone : normalised names of those who withdrew

    Raises
    ------
    BadInput
        A person is on both sides of a fold, or withdrew.
    """
    learned = used.assign(run=[f"fold {fold}" for fold in used["fold"]])
    tested = {f"fold {fold}": set(part) for fold, part in folds.groupby("fold")["subject"]}
    if leaks := list(find_leaks(learned, people, tested=tested, gone=gone)):
        rule = f"{len(leaks)} images leak: {'; '.join(leaks[:3])}"
        raise BadInput(Path("folds.csv"), rule, "name every person alike, then publish again")
