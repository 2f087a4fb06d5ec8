"""Write a published dataset again without a person, from its own folder alone."""

from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.artifacts.dataset import CARD
from affect4d.dataset.facts import read_facts
from affect4d.dataset.published import Published
from affect4d.dataset.writing import Content, fill_folder
from affect4d.neutrals.withdrawn import Person


def shows_others(published: Published, person: Person) -> bool:
    """Whether there is an image of anybody else."""
    return bool((published.rows.loc[~_rows_of(published, person), "class"] >= 0).any())


def _rows_of(published: Published, person: Person) -> "pd.Series[bool]":
    rows = published.rows
    return (rows["database"] == person.database) & (rows["subject"] == person.subject)


def remove_person(folder: Path, person: Person) -> int:
    """Replace a dataset's folder by one without a person; its manifest, if any, is removed first.

    Shards, card, preview, Croissant metadata and checksums are those of a dataset that never held
    the person; everybody else stays in the split that they are in. What was read of a sample of the
    images (`readers`), who inspected the person's database, and how many of its frames are
    annotated leave the card: they count the person.

    Returns
    -------
    int
        How many images went; nothing is written where it is 0.

    Raises
    ------
    StoreError
        The folder is no dataset that this version wrote, or holds files of others.
    ValueError
        The dataset holds nobody else.
    """
    published = Published(folder)
    rows = published.rows
    theirs = _rows_of(published, person)
    if not theirs.any():
        return 0
    if not shows_others(published, person):
        raise ValueError(f"{folder} shows nobody but {person}: delete the folder")
    facts = read_facts(folder / Path(CARD.name()).name)
    facts.inspected.pop(person.database, None)
    facts.annotated.pop(person.database, None)
    kept = rows[~theirs].reset_index(drop=True)
    labels = published.labels if facts.settings.labels else None
    content = Content(
        kept, published.encoded, published.read, published.classes, facts, labels=labels
    )
    with store.replace_folder(folder, store.manifest_of(folder)) as unfinished:
        fill_folder(unfinished, content, folder)
    return int(theirs.sum())
