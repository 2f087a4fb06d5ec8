"""All files of a dataset's folder, from its rows and what else its card states."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.dataset import CARD, CHECKSUMS, CROISSANT, DATASET, PREVIEW, SPLIT_TABLE
from affect4d.artifacts.declaration import File
from affect4d.dataset import croissant
from affect4d.dataset.card import render_card
from affect4d.dataset.columns import all_columns
from affect4d.dataset.facts import Facts
from affect4d.dataset.label_shards import Labels, write_labels
from affect4d.dataset.preview import draw_preview
from affect4d.dataset.shards import Encoded, divide, write_shards
from affect4d.dataset.tars import write_tars
from affect4d.system_files import find_files


@dataclass(frozen=True)
class Content:
    """What a dataset is written from.

    Attributes
    ----------
    rows : the columns but `image`, with `split`
    encoded : gives the images of some of the rows, as the column `image` holds them
    read : gives the same images as arrays (H, W, 3)
    classes : names that the column `class` counts
    facts : what the card states besides
    readings : rows of `readers/summary.csv`
    labels : gives the exact labels of some of the rows, where there are any
    """

    rows: pd.DataFrame
    encoded: Encoded
    read: Callable[[pd.DataFrame], list[NDArray[np.uint8]]]
    classes: Sequence[str]
    facts: Facts
    readings: list[dict[Hashable, Any]] = field(default_factory=list)
    labels: Labels | None = None


def fill_folder(folder: Path, content: Content, former: Path | None = None) -> dict[str, list[str]]:
    """Write a dataset into an empty folder.

    Parameters
    ----------
    folder : receives it
    content : of the dataset
    former : folder of the dataset that it replaces, if any: files that hold the same stay

    Returns
    -------
    dict of lists of str
        The names of the shards of each split.
    """
    rows, settings = content.rows, content.facts.settings
    columns = all_columns(list(rows.columns))
    shards = write_shards(
        folder / "data",
        rows,
        columns,
        encoded=content.encoded,
        shard_rows=settings.shard_rows,
        classes=content.classes,
    )
    if content.labels is not None:
        write_labels(folder / "labels", divide(rows, settings.shard_rows), content.labels)
    if settings.webdataset:
        names = [column.name for column in columns if column.type != "image"]
        write_tars(folder, rows, names, encoded=content.encoded, shard_rows=settings.shard_rows)
    _within(folder, PREVIEW).write_bytes(draw_preview(rows, content.read))
    people = rows.groupby(SPLIT_TABLE.names[:-1], sort=True).size().reset_index(name="images")
    card = render_card(
        rows,
        columns,
        shards=shards,
        classes=content.classes,
        facts=content.facts,
        size=content.read(rows[:1])[0].shape[:2],
        readings=content.readings,
    )
    for file, text in {
        SPLIT_TABLE: people.to_csv(index=False, lineterminator="\n"),
        CARD: f"{card}\n{content.facts.comment()}",
    }.items():
        _within(folder, file).write_text(text, encoding="utf-8")
    metadata = croissant.describe(folder, columns, rows, facts=content.facts)
    _within(folder, CROISSANT).write_bytes(store.canonical(metadata))
    sums = {
        path.relative_to(folder).as_posix(): store.digest(path)
        for path in find_files(folder, "**/*")
        if path.is_file()
    }
    if former is not None:
        _keep_unchanged(folder, former, sums)
    # as `sha256sum` writes them, for every file but the list itself
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items())
    _within(folder, CHECKSUMS).write_text(lines, encoding="utf-8")
    return shards


def _keep_unchanged(folder: Path, former: Path, sums: dict[str, str]) -> None:
    """Let files of the former dataset take the place of new ones with the same content.

    What copies or uploads the folder sees by their times that they are the old ones, whatever the
    number of shards in their names. Where the file system has no hard links, all files are new.
    """
    new = {(folder / name).stat().st_size for name in sums}
    kept = {
        store.digest(path): path
        for path in find_files(former, "**/*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size in new
    }
    for name, sha256 in sums.items():
        if sha256 in kept:
            link = folder / f"{name}.kept"
            try:
                link.hardlink_to(kept[sha256])
            except OSError:
                return
            link.replace(folder / name)


def _within(folder: Path, file: File) -> Path:
    """Where a file of the dataset lies in the folder in which it is made."""
    return folder / file.name().removeprefix(f"{DATASET.name()}/")
