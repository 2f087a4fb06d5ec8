"""Publish: shards, splits, card, Croissant metadata and checksums, all of them or none."""

import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from affect4d import store
from affect4d.artifacts.dataset import CARD, CHECKSUMS, CROISSANT, DATASET, PREVIEW, SPLIT_TABLE
from affect4d.artifacts.declaration import File
from affect4d.artifacts.readers import READ, READINGS, SUMMARY
from affect4d.artifacts.reading import open_file
from affect4d.config.dataset import Settings
from affect4d.dataset import croissant
from affect4d.dataset.card import render_card
from affect4d.dataset.columns import all_columns
from affect4d.dataset.preview import draw_preview
from affect4d.dataset.rows import add_readings, collect_rows
from affect4d.dataset.shards import write_shards
from affect4d.dataset.splits import assign_splits
from affect4d.pipeline.context import RunContext
from affect4d.system_files import find_files

log = logging.getLogger(__name__)

_FOLDER = f"{DATASET.name()}/"


def publish_dataset(
    context: RunContext,
    chunks: list[Path],
    *,
    kinds: dict[str, str],
    settings: Settings,
    gallery: str = "synthetic",
    out: Path | None = None,
) -> None:
    """Build the dataset from the synthesis chunks.

    Columns hold what `readers/readings.parquet` says of the images, where the build has it.

    Parameters
    ----------
    context : of the run; its seed decides with the subjects' names who is in which split
    chunks : stores `synthesis/{database}/{chunk}.zarr`
    kinds : database -> "photograph" or "rendered"
    settings : name, image format, shares of the splits
    gallery : the source of the scans, as `gallery.source` names it
    out : the folder; by default `dataset` below the results folder, its manifest beside it

    Raises
    ------
    StoreError
        A chunk is damaged, or another writer is at the dataset.
    ValueError
        There is no image, or an image_id occurs twice.
    """
    # each is opened once: a chunk's names alone are megabytes of JSON
    stores = {str(path): store.open(path) for path in chunks}
    first = stores[str(chunks[0])]
    _, height, width, _ = first["images"].shape
    readings, summary = _readings(context.root)
    rows = add_readings(collect_rows(stores, kinds), readings)
    shares = {"validation": settings.validation, "test": settings.test}
    people = assign_splits(rows, **shares, seed=context.seed)
    rows = rows.merge(people.drop(columns="images"), on=["database", "subject"])
    columns = all_columns(list(rows.columns))
    with store.atomic_replace(out or context.root / DATASET.name(), context.provenance()) as folder:
        folder.mkdir()
        shards = write_shards(
            folder / "data",
            rows,
            columns,
            stores=stores,
            settings=settings,
            classes=first.attributes["classes"],
        )
        _within(folder, PREVIEW).write_bytes(draw_preview(rows, stores))
        files = {
            SPLIT_TABLE: people.to_csv(index=False, lineterminator="\n"),
            CARD: render_card(
                rows,
                columns,
                shards=shards,
                settings=settings,
                gallery=gallery,
                synthesis=first.attributes["settings"],
                size=(height, width),
                readings=summary,
            ),
        }
        for file, text in files.items():
            _within(folder, file).write_text(text, encoding="utf-8")
        metadata = croissant.describe(
            folder,
            columns,
            name=settings.name,
            description="Face images with valence and arousal, synthesized from neutral images. "
            + settings.licence_note,
            licence=settings.licence,
            version=settings.version,
            published=settings.published,
        )
        _within(folder, CROISSANT).write_bytes(store.canonical(metadata))
        _within(folder, CHECKSUMS).write_text(_checksums(folder), encoding="utf-8")
    log.info("dataset: %d images in %d shards", len(rows), sum(map(len, shards.values())))


def _within(folder: Path, file: File) -> Path:
    """Where a file of the dataset lies in the folder in which it is made."""
    return folder / file.name().removeprefix(_FOLDER)


def _checksums(folder: Path) -> str:
    """Lines as `sha256sum` writes them, for every file but the list itself."""
    files = [path for path in find_files(folder, "**/*") if path.is_file()]
    return "".join(
        f"{store.digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files
    )


def _readings(root: Path) -> tuple[pd.DataFrame, list[dict[Hashable, Any]]]:
    """What was read of each image of the sample, and its summary; nothing where nothing was."""
    if not READ.manifest(root).exists():
        return pd.DataFrame(columns=READINGS.names), []
    summary = pd.read_csv(open_file(SUMMARY.path(root)))
    return pd.read_parquet(open_file(READINGS.path(root))), list(summary.to_dict("records"))
