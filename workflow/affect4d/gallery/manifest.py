"""The `manifest` source: a table of scans on disk (4DFAB or any other), checked before any work.

A row that breaks a rule goes into quarantine, and so does a sequence that is left without a neutral
frame, because every later room works on differences from it. Of rows that share a frame_id the
first stays. Annotations are checked apart from scans, so that none of them makes a scan register
again; their range is the affect space's concern.
"""

import re
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.config.gallery import (
    FILE_COLUMNS,
    SCAN_COLUMNS,
    missing_files,
    scan_rows,
    scans_digest,
)
from affect4d.formats.paths import inside, safe_name
from affect4d.formats.quarantine import BadInput

TASKS = ("posed", "spontaneous")
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_PER_SEQUENCE = ("subject", "session", "task")


def write_scans(folder, chunk, settings, quarantine, provenance):
    """Write a chunk's table of scans, its quarantine and their manifest (rule `gallery_scans`).

    Parameters
    ----------
    folder : Path of `gallery/`
    chunk : str
    settings : config.gallery.Settings
    quarantine : Quarantine
    provenance : (item, inputs, extra settings) -> store.Provenance

    Raises
    ------
    BadInput
        The table as a whole cannot be used, or the quarantine is strict and a row is bad.
    """
    rows, root = scan_rows(settings)[chunk], Path(settings.manifest.root)
    table = check_scans(rows, root, settings.manifest.table, quarantine)
    scans, rejected = (folder / "scans" / f"{chunk}{end}" for end in (".csv", ".quarantine.csv"))
    with store.atomic(scans) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")
    with store.atomic(rejected) as unfinished:
        quarantine.write(unfinished)
    made_from = provenance(chunk, [], {"rows": scans_digest(rows, root)})
    store.record(store.manifest_of(folder / "scans" / chunk), [scans, rejected], made_from)


def check_scans(rows, root, file, quarantine):
    """The scans that can be used.

    Parameters
    ----------
    rows : list of dict, of `config.gallery.scan_rows`; each sequence is in it as a whole
    root : Path of the folder that their paths are relative to, and stay below
    file : the table, named in the quarantine
    quarantine : Quarantine

    Returns
    -------
    DataFrame of config.gallery.SCAN_COLUMNS, in the order of the rows
    """
    first: dict[str, dict] = {}
    usable: dict[str, list[dict]] = {}
    for row in rows:
        opening = first.setdefault(row["sequence"], row)
        frames = usable.setdefault(row["sequence"], [])
        try:
            frames.append(_check_scan(row, opening, root, file))
        except BadInput as problem:
            quarantine.add(row["frame_id"], problem)
    kept = []
    for sequence, frames in usable.items():
        try:
            kept += _check_sequence(sequence, frames, file)
        except BadInput as problem:
            quarantine.add(sequence, problem)
    return pd.DataFrame(kept, columns=list(SCAN_COLUMNS))


def _check_scan(row, opening, root, file):
    """A row as it enters the table of scans; `opening` is the first row of its sequence."""
    for name in ("subject", "session", "sequence", "expression"):
        if row[name] or name != "expression":
            safe_name(row[name], file)
    if row["repeated"]:
        raise BadInput(
            file,
            f"frame_id {row['frame_id']} is in an earlier row, which stays",
            "give each frame an id of its own",
        )
    _check_one_recording(row, opening, file)
    if row["task"] not in TASKS:
        raise BadInput(file, f"unknown task {row['task']!r}", f"use {' or '.join(TASKS)}")
    _check_files(row, root, file)
    values = {
        "frame": _integer(row["frame"], file),
        "is_apex": _boolean("is_apex", row, file),
        "is_neutral": _boolean("is_neutral", row, file),
    }
    return {name: values.get(name, row[name]) for name in SCAN_COLUMNS}


def _check_one_recording(row, opening, file):
    for name in _PER_SEQUENCE:
        if row[name] != opening[name]:
            raise BadInput(
                file,
                f"sequence {row['sequence']} has {name} {opening[name]!r} and {row[name]!r}",
                "name each recording of one person apart: subject_session_sequence",
            )


def _check_files(row, root, file):
    for name in FILE_COLUMNS:
        if row[name]:
            inside(root, row[name])
        elif name != "texture":
            raise BadInput(file, f"no {name} is named", f"fill in the column {name}")
    for name in missing_files(row, root):
        raise BadInput(root / row[name], f"the {name} does not exist", "add it, or drop the row")


def _integer(text, file):
    # tables that went through a float column write 3 as 3.0
    if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):
        raise BadInput(file, f"frame {text!r} is not an integer from 0", "number the frames")
    return int(float(text))


def _boolean(name, row, file):
    try:
        return _BOOLEANS[row[name].lower()]
    except KeyError:
        raise BadInput(file, f"{name} {row[name]!r} is not a boolean", "true or false") from None


def _check_sequence(sequence, frames, file):
    if not frames:
        raise BadInput(
            file,
            f"sequence {sequence} is empty: none of its rows can be used",
            "correct its rows, each of which is in quarantine as well",
        )
    if not any(frame["is_neutral"] for frame in frames):
        raise BadInput(
            file,
            f"sequence {sequence} has no neutral frame; its {len(frames)} frames are left out",
            "mark one of them as is_neutral",
        )
    return frames


def read_annotations(settings, quarantine):
    """The annotations of every frame of the user's table.

    Returns
    -------
    DataFrame of frame_id, valence, arousal; both NaN where a frame is not annotated, or where one
    of them is no number (then it is in quarantine)

    Raises
    ------
    BadInput
        The table as a whole cannot be used, or the quarantine is strict and an annotation is bad.
    """
    kept = []
    for row in (row for rows in scan_rows(settings).values() for row in rows):
        if row["repeated"]:
            continue
        values = [float("nan"), float("nan")]
        try:
            values = [
                _number(name, row, settings.manifest.table) for name in ("valence", "arousal")
            ]
        except BadInput as problem:
            quarantine.add(row["frame_id"], problem)
        kept.append((row["frame_id"], *values))
    return pd.DataFrame(kept, columns=["frame_id", "valence", "arousal"])


def _number(name, row, file):
    try:
        return float(row[name] or "nan")
    except ValueError:
        raise BadInput(
            file,
            f"{name} {row[name]!r} is not a number",
            "give a number in [-1, 1], or leave both values empty",
        ) from None
