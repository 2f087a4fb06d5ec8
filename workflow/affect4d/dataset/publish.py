"""Publish: shards, splits, card, Croissant metadata and checksums, all of them or none."""

import logging
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from affect4d import store
from affect4d.affectspace.grid import Grid
from affect4d.artifacts.dataset import DATASET, NEUTRAL_CLASS
from affect4d.artifacts.neutrals import CANDIDATES
from affect4d.artifacts.readers import READ, READINGS, SUMMARY
from affect4d.artifacts.reading import open_file
from affect4d.config.dataset import Settings
from affect4d.dataset.balance import balanced, read_wanted
from affect4d.dataset.exact_labels import ExactLabels
from affect4d.dataset.facts import Facts
from affect4d.dataset.rows import add_readings, collect_rows
from affect4d.dataset.shards import encode_pixels, read_pixels
from affect4d.dataset.splits import assign_splits
from affect4d.dataset.writing import Content, fill_folder
from affect4d.neutrals.decisions import describe_inspection
from affect4d.pipeline.context import RunContext

log = logging.getLogger(__name__)


def publish_dataset(
    context: RunContext,
    chunks: list[Path],
    *,
    kinds: dict[str, str],
    settings: Settings,
    gallery: str = "synthetic",
    target: str = "mean",
    decisions: Mapping[str, Path] | None = None,
    labels: ExactLabels | None = None,
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
    target : what stands for a class, as `blendshapes.target` names it
    decisions : what people decided on neutral images, by database
    labels : gives the exact labels that the settings name
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
    rows = collect_rows(stores, kinds)
    wanted = read_wanted(settings, first.attributes["classes"])
    rows = rows[balanced(rows, wanted, context.seed)].reset_index(drop=True)
    rows = add_readings(rows, readings)
    shares = {"validation": settings.validation, "test": settings.test}
    people = assign_splits(rows, **shares, seed=context.seed)
    rows = rows.merge(people.drop(columns="images"), on=["database", "subject"])
    synthesis = first.attributes["settings"]
    content = Content(
        rows,
        partial(encode_pixels, stores=stores, settings=settings),
        partial(read_pixels, stores=stores),
        first.attributes["classes"],
        Facts(
            settings=settings,
            gallery=gallery,
            target=target,
            synthesis=synthesis,
            inspected=_inspected(rows, decisions or {}),
            annotated=_annotated(context.root, kinds, first.attributes["classes"]),
        ),
        summary,
        None if labels is None else partial(labels, stores=stores, names=settings.labels),
    )
    provenance = context.provenance(settings={} if wanted is None else {"wanted": wanted})
    out = out or context.root / DATASET.name()
    with store.atomic_replace(out, provenance) as folder:
        folder.mkdir()
        shards = fill_folder(folder, content, out)
    log.info("dataset: %d images in %d shards", len(rows), sum(map(len, shards.values())))


def _inspected(rows: pd.DataFrame, decisions: Mapping[str, Path]) -> dict[str, str]:
    """Who inspected the neutral images, by database."""
    neutral = rows[rows["class"] == NEUTRAL_CLASS]
    return {
        str(name): describe_inspection(ids.str.removeprefix(f"{name}-"), decisions.get(str(name)))
        for name, ids in neutral.groupby("database")["image_id"]
    }


def _annotated(
    root: Path, databases: Iterable[str], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    """How many frames of each database carry valence and arousal, by class name."""
    grid, found = Grid(math.isqrt(len(classes))), {}
    for name in databases:
        if (path := CANDIDATES.path(root, database=name)).exists():
            table = pd.read_parquet(open_file(path), columns=["valence", "arousal"])
            known = grid.assign(table["valence"], table["arousal"])
            counts = pd.Series(known[known >= 0]).value_counts(sort=False).sort_index()
            found[name] = {classes[index]: int(count) for index, count in counts.items()}
    return {name: counts for name, counts in found.items() if counts}


def _readings(root: Path) -> tuple[pd.DataFrame, list[dict[Hashable, Any]]]:
    """What was read of each image of the sample, and its summary; nothing where nothing was."""
    if not READ.manifest(root).exists():
        return pd.DataFrame(columns=READINGS.names), []
    summary = pd.read_csv(open_file(SUMMARY.path(root)))
    return pd.read_parquet(open_file(READINGS.path(root))), list(summary.to_dict("records"))
