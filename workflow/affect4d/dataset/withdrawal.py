"""Write a published dataset again without a person, from its own folder alone."""

from dataclasses import dataclass
from pathlib import Path

from affect4d import store
from affect4d.artifacts.dataset import CARD
from affect4d.dataset.published import Published
from affect4d.dataset.writing import Content, fill_folder, read_facts


@dataclass(frozen=True)
class Person:
    """A person, as the columns `database` and `subject` name people."""

    database: str
    subject: str

    def __str__(self) -> str:
        return f"{self.database}/{self.subject}"


def remove_person(folder: Path, person: Person) -> int:
    """Replace a dataset's folder by one without a person; its manifest, if any, is removed first.

    Shards, card, preview, Croissant metadata and checksums are those of a dataset that never held
    the person; everybody else stays in the split that they are in. What was read of a sample of the
    images (`readers`) leaves the card, because the person may be in its averages.

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
    theirs = (rows["database"] == person.database) & (rows["subject"] == person.subject)
    if not theirs.any():
        return 0
    if not (rows.loc[~theirs, "class"] >= 0).any():
        raise ValueError(f"{folder} shows nobody but {person}: delete the folder")
    facts = read_facts(folder / Path(CARD.name()).name)
    kept = rows[~theirs].reset_index(drop=True)
    labels = published.labels if facts.settings.labels else None
    content = Content(
        kept, published.encoded, published.read, published.classes, facts, labels=labels
    )
    with store.replace_folder(folder, store.manifest_of(folder)) as unfinished:
        fill_folder(unfinished, content)
    return int(theirs.sum())
