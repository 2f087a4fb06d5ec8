"""The affectspace job: from the gallery's table and the registered sequences to classes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.affectspace.classes import classify, report_classes, summarise
from affect4d.affectspace.delay import compensate, sequence_delays
from affect4d.affectspace.grid import Grid
from affect4d.affectspace.histogram import draw_histogram
from affect4d.artifacts import affectspace as artifacts
from affect4d.artifacts.declaration import File
from affect4d.artifacts.gallery import FRAMES as GALLERY_FRAMES
from affect4d.artifacts.reading import open_file
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.pipeline.context import RunContext
from affect4d.registration.registered_sequence import open_registered


def registration_flags(root: Path, sequences: Iterable[str]) -> dict[str, int]:
    """Flags of every registered frame, by its frame_id.

    Parameters
    ----------
    root : the results folder
    sequences
        Those without a store are skipped: their frames are not registered.
    """
    flags: dict[str, int] = {}
    for sequence in open_registered(root, sorted(sequences)):
        flags |= zip(sequence.frame_ids, sequence.flags.tolist(), strict=True)
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
    table = pd.read_parquet(open_file(GALLERY_FRAMES.path(context.root)))
    flags = registration_flags(context.root, table["sequence"].unique())
    delays = sequence_delays(context.root, table, flags, settings=settings)
    frames = classify(
        compensate(table, delays),
        flags,
        grid,
        quarantine=context.quarantine,
        source=GALLERY_FRAMES.pattern,
    )
    classes = summarise(
        frames, grid, min_frames=settings.min_frames, min_subjects=settings.min_subjects
    )
    report_classes(classes, settings, context.quarantine)
    writers: dict[File, Callable[[Path], None]] = {
        artifacts.FRAMES: lambda path: frames.to_parquet(path, index=False),
        artifacts.CLASSES: lambda path: classes.to_parquet(path, index=False),
        artifacts.HISTOGRAM: lambda path: draw_histogram(path, classes, grid),
        artifacts.QUARANTINE: context.quarantine.write,
    }
    files = []
    for file, write in writers.items():
        files.append(file.path(context.root))
        with store.atomic(files[-1]) as path:
            write(path)
    store.record(artifacts.AFFECT_SPACE.manifest(context.root), files, context.provenance())
    return files
