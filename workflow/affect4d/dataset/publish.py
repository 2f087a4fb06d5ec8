"""Publish: shards, splits, card, Croissant metadata and checksums, all of them or none."""

import importlib.resources
import logging
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from affect4d import store
from affect4d.artifacts.dataset import CARD, CHECKSUMS, CROISSANT, DATASET, SPLIT_TABLE
from affect4d.artifacts.declaration import Column, File
from affect4d.artifacts.readers import READ, READINGS, SUMMARY
from affect4d.artifacts.reading import open_file
from affect4d.config.dataset import Settings
from affect4d.dataset import croissant
from affect4d.dataset.columns import all_columns
from affect4d.dataset.rows import add_readings, collect_rows
from affect4d.dataset.shards import write_shards
from affect4d.dataset.splits import assign_splits
from affect4d.pipeline.context import RunContext
from affect4d.system_files import find_files

log = logging.getLogger(__name__)

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_LARGEST_SIZE = "n>1M"  # as Hugging Face names sizes; the numbers are images
_FOLDER = f"{DATASET.name()}/"


def publish_dataset(
    context: RunContext,
    chunks: list[Path],
    *,
    kinds: dict[str, str],
    settings: Settings,
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
    readings, summary = _readings(context.root)
    rows = add_readings(collect_rows(stores, kinds), readings)
    shares = {"validation": settings.validation, "test": settings.test}
    people = assign_splits(rows, **shares, seed=context.seed)
    rows = rows.merge(people.drop(columns="images"), on=["database", "subject"])
    columns = all_columns(list(rows.columns))
    with store.atomic_replace(out or context.root / DATASET.name(), context.provenance()) as folder:
        folder.mkdir()
        shards = write_shards(folder / "data", rows, columns, stores=stores, settings=settings)
        files = {
            SPLIT_TABLE: people.to_csv(index=False, lineterminator="\n"),
            CARD: _card(
                rows,
                columns,
                shards=shards,
                settings=settings,
                chunk=first,
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


_BLENDS = {
    "warp": "the photograph was moved accordingly",
    "poisson": "the deformed face was rendered into the photograph and Poisson blended",
}


def _header(count: int, splits: Iterable[str], settings: Settings) -> str:
    """The card's YAML, as Hugging Face reads it: `count` images in splits of these names."""
    size = next((name for limit, name in _SIZES if count < limit), _LARGEST_SIZE)
    data = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    content = {
        "pretty_name": settings.name,
        "license": settings.licence,
        "task_categories": ["image-classification"],
        "tags": ["facial-expression", "valence-arousal", "synthetic"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": data}],
    }
    # PyYAML writes U+0085 and U+2028 as they are, and reads them back as ends of lines
    readable = (settings.name + settings.licence).isprintable()
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=readable))


def _card(
    rows: pd.DataFrame,
    columns: list[Column],
    *,
    shards: dict[str, list[str]],
    settings: Settings,
    chunk: store.Store,
    readings: list[dict[Hashable, Any]],
) -> str:
    """The dataset card in Markdown with Hugging Face's YAML header."""
    synthesized = rows[rows["class"] >= 0]
    lossy = f"JPEG of quality {settings.jpeg_quality}, chroma not subsampled"
    text = importlib.resources.files("affect4d.dataset").joinpath("card.md.j2").read_text("utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    return environment.from_string(text).render(
        header=_header(len(rows), shards, settings),
        name=settings.name,
        citation=croissant.CITATION,
        licence_note=settings.licence_note,
        columns=columns,
        synthesized=len(synthesized),
        neutrals=len(rows) - len(synthesized),
        subjects=len(synthesized[["database", "subject"]].drop_duplicates()),
        classes=synthesized["class"].nunique(),
        height=chunk["images"].shape[1],
        width=chunk["images"].shape[2],
        encoding="PNG (lossless)" if settings.image_format == "png" else lossy,
        margin=chunk.attributes["settings"]["margin"],
        blend=_BLENDS[chunk.attributes["settings"]["blend"]],
        readings=readings,
        by_split=_counts(synthesized, ["split"]),
        by_database=_counts(synthesized, ["database", "kind"]),
        by_class=_counts(synthesized, ["class", "class_name", "valence", "arousal"]),
    )


def _readings(root: Path) -> tuple[pd.DataFrame, list[dict[Hashable, Any]]]:
    """What was read of each image of the sample, and its summary; nothing where nothing was."""
    if not READ.manifest(root).exists():
        return pd.DataFrame(columns=READINGS.names), []
    summary = pd.read_csv(open_file(SUMMARY.path(root)))
    return pd.read_parquet(open_file(READINGS.path(root))), list(summary.to_dict("records"))


def _counts(rows: pd.DataFrame, keys: list[str]) -> list[dict[Hashable, Any]]:
    """Subjects and images per group, sorted by `keys`."""
    people = rows["database"] + "/" + rows["subject"]
    grouped = rows.assign(person=people).groupby(keys, sort=True)["person"]
    counts = grouped.agg(subjects="nunique", images="size").reset_index()
    return list(counts.to_dict("records"))
