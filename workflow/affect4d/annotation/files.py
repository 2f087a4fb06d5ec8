"""Where annotations lie: FOLDER/SEQUENCE/ANNOTATOR.csv, and calibrations beside them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.annotation.merging import Merged, annotator_table, merge_tracks, reaction_time
from affect4d.annotation.tracks import AXES, SUFFIXES, Track, read_track, track_name
from affect4d.formats.tables import read_rows
from affect4d.quarantine import BadInput
from affect4d.system_files import find_files

CALIBRATION = "calibration"  # a folder beside those of sequences
UNFINISHED = ".part"  # suffix of a track that is not annotated to its end
COLUMNS = ("time", *AXES)
TARGETS = ("target_valence", "target_arousal")

Samples = list[list[float | None]]  # rows of time (s), valence, arousal


def write_samples(path: Path, columns: Sequence[str], samples: Samples) -> None:
    """Write samples as CSV, all of them or none; None becomes an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.atomic(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if v is None else f"{v:.4f}" for v in row] for row in samples)


def read_samples(path: Path, columns: Sequence[str] = COLUMNS) -> Samples:
    """What `write_samples` wrote; nothing where there is no file."""
    if not path.exists():
        return []
    rows = read_rows(path, columns)
    return [[float(row[name]) if row[name] else None for name in columns] for _, row in rows]


def merge_folder(folder: Path, out: Path, *, fps: float, min_correlation: float) -> Merged:
    """Join the annotators of every sequence in a folder.

    Writes `out` (the merged track, with the gallery's columns sequence, frame, valence, arousal),
    and beside it NAME_annotators.csv and NAME_agreement.csv.

    Raises
    ------
    BadInput
        There is no track, a track cannot be read, or fewer than two annotators remain.
    """
    tracks: dict[str, dict[str, Track]] = {}
    for path in find_files(folder, "*/**/*"):
        sequence = path.relative_to(folder).parts[0]
        if path.suffix.lower() not in SUFFIXES or sequence == CALIBRATION or not path.is_file():
            continue
        name, _ = track_name(path)
        if name.endswith(UNFINISHED):
            continue
        said = tracks.setdefault(sequence, {})
        track = read_track(path, fps=fps)
        said[name] = track if name not in said else _join(path, said[name], track)
    if not tracks:
        rule = "holds no track of any sequence"
        raise BadInput(folder, rule, "put tracks at SEQUENCE/ANNOTATOR.csv in it")
    try:
        merged = merge_tracks(
            tracks, _reactions(folder, fps), fps=fps, min_correlation=min_correlation
        )
    except ValueError as problem:
        raise BadInput(folder, problem, "add annotators, or lower --min-correlation") from None
    tables = {
        out: merged.track,
        out.with_name(f"{out.stem}_annotators.csv"): annotator_table(merged.annotators),
        out.with_name(f"{out.stem}_agreement.csv"): merged.agreement,
    }
    for path, table in tables.items():
        with store.atomic(path) as unfinished:
            table.to_csv(unfinished, index=False, lineterminator="\n", float_format="%.4f")
    return merged


def _join(path: Path, one: Track, other: Track) -> Track:
    """A track of valence and one of arousal as one."""
    given = ~pd.isna(other.values).all(0)
    if (given & ~pd.isna(one.values).all(0)).any():
        raise BadInput(path, "annotates an axis of which there is a track", "remove one of the two")
    time = np.union1d(one.time, other.time)
    return Track(time, np.where(given, other.at(time), one.at(time)))


def _reactions(folder: Path, fps: float) -> dict[str, float]:
    """Reaction times, s, by annotator."""
    found = {}
    for path in find_files(folder / CALIBRATION, "*.csv"):
        table = pd.DataFrame(read_samples(path, (*COLUMNS, *TARGETS)), dtype=float)
        if len(table):
            time, said, shown = table[0].to_numpy(), table[[1, 2]], table[[3, 4]]
            response, target = (Track(time, v.to_numpy()) for v in (said, shown))
            found[path.stem] = reaction_time(response, target, fps)
    return found
