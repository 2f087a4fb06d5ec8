"""Explain a person: photographs and images of the dataset, sequences of the gallery."""

from collections import Counter

import pandas as pd

from affect4d.artifacts import gallery
from affect4d.artifacts.dataset import SPLIT_TABLE
from affect4d.formats.own_tables import read_csv
from affect4d.provenance.lineage import Build
from affect4d.provenance.names import Names
from affect4d.provenance.records import Record, neutral_tables, people_of, rows_where


def describe_subject(build: Build, name: str) -> Record:
    """The record of a person, as the columns `subject` of dataset and gallery name them."""
    names = Names(build)
    photographs = sorted(
        {
            f"{database}-{row['image_id']}"
            for database in names.databases
            for table in neutral_tables(build, database)
            for row in table[people_of(table) == name].to_dict("records")
        }
    )
    images = {
        database: sum(subjects.count(name) for subjects in names.subjects_of_images(database))
        for database in names.databases
    }
    frames = rows_where(build, gallery.FRAMES.name(), "subject", value=name)
    sequences = Counter(str(row["sequence"]) for row in frames)
    kinds = [kind for kind, has in (("photographs", photographs), ("gallery", frames)) if has]
    return {
        "what": f"a person of the {' and the '.join(kinds)}",
        "split": _split(build, name),
        "photographs": photographs,
        "images": {database: count for database, count in images.items() if count},
        "sequences": [{"sequence": key, "frames": count} for key, count in sequences.items()],
    }


def _split(build: Build, name: str) -> str | None:
    """The part of the dataset that a person's images are in."""
    path = build.verified_path(SPLIT_TABLE.name())
    table = pd.DataFrame() if path is None else read_csv(path)
    found = table.loc[table["subject"] == name, "split"] if len(table) else []
    return ", ".join(sorted(set(found))) or None
