"""The affectspace job: from the gallery's table and the registered sequences to classes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.affectspace.classes import classify, report_classes, summarise
from affect4d.affectspace.grid import Grid
from affect4d.affectspace.histogram import draw_histogram
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.pipeline.context import RunContext

GALLERY = "gallery/frames.parquet"


def registration_flags(registered: Path, sequences: Iterable[str]) -> dict[str, int]:
    """Flags of every registered frame, by its frame_id.

    Parameters
    ----------
    registered : folder with the registered sequences
    sequences
        Those without a store are skipped: their frames are not registered.
    """
    flags: dict[str, int] = {}
    for name in sorted(sequences):
        path = registered / f"{name}.zarr"
        if store.manifest_of(path).exists():
            stored = store.open(path)
            flags |= zip(stored.attributes["frame_ids"], stored["flags"][...].tolist(), strict=True)
    return flags


def build_affectspace(context: RunContext, settings: AffectSpaceSettings) -> list[Path]:
    """Write frames.parquet, classes.parquet, histogram.png, quarantine.csv and their manifest.

    Parameters
    ----------
    context
        Receives, in quarantine, annotations that are missing or outside the plane, and classes
        that get no model.
    settings : of the plane

    Returns
    -------
    The files written, in `affectspace` of the results folder.
    """
    grid = Grid(settings.bins)
    table = pd.read_parquet(context.root / GALLERY)
    flags = registration_flags(context.root / "registered", table["sequence"].unique())
    frames = classify(table, flags, grid, quarantine=context.quarantine, source=GALLERY)
    classes = summarise(
        frames, grid, min_frames=settings.min_frames, min_subjects=settings.min_subjects
    )
    report_classes(classes, settings, context.quarantine)
    writers: dict[str, Callable[[Path], None]] = {
        "frames.parquet": lambda path: frames.to_parquet(path, index=False),
        "classes.parquet": lambda path: classes.to_parquet(path, index=False),
        "histogram.png": lambda path: draw_histogram(path, classes, grid),
        "quarantine.csv": context.quarantine.write,
    }
    folder = context.root / "affectspace"
    for name, write in writers.items():
        with store.atomic(folder / name) as path:
            write(path)
    files = [folder / name for name in writers]
    store.record(folder / "affectspace.manifest.json", files, context.provenance())
    return files
