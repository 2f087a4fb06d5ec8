"""The affectspace job: from the gallery's table and the registered sequences to classes."""

from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.affectspace.classes import classify, report_classes, summarise
from affect4d.affectspace.grid import Grid
from affect4d.affectspace.histogram import draw_histogram


def registration_flags(registered, sequences):
    """Flags of every registered frame.

    Parameters
    ----------
    registered : path
        Folder with the registered sequences.
    sequences : iterable of str
        Those without a store are passed over: their frames are not registered.

    Returns
    -------
    dict of frame_id to int
    """
    flags: dict[str, int] = {}
    for name in sorted(sequences):
        path = Path(registered) / f"{name}.zarr"
        if store.manifest_of(path).exists():
            stored = store.open(path)
            flags |= zip(stored.attributes["frame_ids"], stored["flags"][...].tolist(), strict=True)
    return flags


def build_affectspace(gallery, registered, out, settings, quarantine):
    """Write frames.parquet, classes.parquet, histogram.png and quarantine.csv.

    Parameters
    ----------
    gallery : path of the gallery's frames.parquet
    registered : path
        Folder with the registered sequences.
    out : path
        Folder of the artifacts.
    settings : config.affectspace.Settings
    quarantine : Quarantine

    Returns
    -------
    list of Path
        The files written.
    """
    grid = Grid(settings.bins)
    gallery = Path(gallery)
    table = pd.read_parquet(gallery)
    flags = registration_flags(registered, table["sequence"].unique())
    frames = classify(table, flags, grid, quarantine, f"gallery/{gallery.name}")
    classes = summarise(frames, grid, settings.min_frames, settings.min_subjects)
    report_classes(classes, settings, quarantine)
    writers = {
        "frames.parquet": lambda path: frames.to_parquet(path, index=False),
        "classes.parquet": lambda path: classes.to_parquet(path, index=False),
        "histogram.png": lambda path: draw_histogram(path, classes, grid),
        "quarantine.csv": quarantine.write,
    }
    files = []
    for name, write in writers.items():
        with store.atomic(Path(out) / name) as path:
            write(path)
        files.append(Path(out) / name)
    return files
