"""Tracks of valence and arousal as this and other tools write them.

- `time,valence,arousal` in seconds, as `affect4d annotate` writes it; `time,value` of one axis;
- Aff-Wild: one number per frame and line, one file per axis; Aff-Wild2: `valence,arousal` per
  frame, -5 where a frame is discarded;
- CARMA and DARMA (Girard 2014; Girard & Wright 2018): lines of settings, then `Second,Rating` or
  `Second,X,Y,Button`, means over bins, each with the time of its end;
- ELAN's .eaf: tiers whose names hold "valence" or "arousal", of annotations that are numbers.

The axis of a file of one axis is in its name (anna.valence.csv) or its folder's.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content
from affect4d.formats.limits import DEFAULT
from affect4d.quarantine import BadInput

Floats = NDArray[np.float64]

AXES = ("valence", "arousal")
SUFFIXES = (".csv", ".txt", ".eaf")
DISCARDED = -5  # Aff-Wild2's mark of a frame without annotation
MIN_SAMPLES = 2  # of a track: one value is no track
_TIMES = {"time", "second", "seconds", "t"}
_NAMED = re.compile(r"(?:^|[._ -])(valence|arousal)$", re.IGNORECASE)
_REMEDY = "see docs/annotation.md for the layouts that are read"


@dataclass(frozen=True)
class Track:
    """What one annotator said of one sequence.

    Attributes
    ----------
    time : (T,), s, ascending
    values : (T, 2), valence and arousal in [-1, 1]; NaN where an axis is not annotated
    """

    time: Floats
    values: Floats

    def at(self, time: Floats) -> Floats:
        """Valence and arousal (N, 2) at times (N,), s; NaN beyond the ends."""
        columns = [np.interp(time, self.time, v, np.nan, np.nan) for v in self.values.T]
        return np.stack(columns, axis=1)


def track_name(path: Path) -> tuple[str, str | None]:
    """Whose track a file holds, and of which axis; None where the file says that itself."""
    match = _NAMED.search(path.stem)
    if match:
        return path.stem[: match.start()] or path.stem, match[1].lower()
    folder = path.parent.name.lower()
    return path.stem, folder if folder in AXES else None


def read_track(path: Path, *, fps: float) -> Track:
    """A track from a file.

    Parameters
    ----------
    path : .csv, .txt or .eaf, of one of the layouts above
    fps : frames per second, where a file has one line per frame

    Raises
    ------
    BadInput
        It cannot be read, has another layout, goes back in time, or leaves [-1, 1].
    """
    content = read_content(path, DEFAULT.side_file_bytes, "track", remedy="split the sequence")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeError:
        raise BadInput(path, "is not UTF-8 text", "save it as UTF-8") from None
    is_elan = path.suffix.lower() == ".eaf"
    track = _parse_eaf(path, text) if is_elan else _parse_table(path, text, fps)
    if len(track.time) < MIN_SAMPLES or np.isnan(track.values).all():
        raise BadInput(path, "holds no valence or arousal", _REMEDY)
    if not np.isfinite(track.time).all() or (np.diff(track.time) < 0).any():
        raise BadInput(path, "goes back in time", "sort it by time")
    if (np.abs(track.values) > 1).any():
        raise BadInput(path, "has values outside [-1, 1]", "scale them to [-1, 1]")
    return track


def _parse_table(path: Path, text: str, fps: float) -> Track:
    delimiter = next((mark for mark in "\t;," if mark in text), ",")
    lines = list(csv.reader(text.splitlines(), delimiter=delimiter))
    rows = [[cell.strip() for cell in line] for line in lines if any(map(str.strip, line))]
    first = next((k for k, row in enumerate(rows) if all(map(_is_number, row))), len(rows))
    head = [row for row in rows[:first] if not set(row[0]) <= {"%"}]
    try:
        body = np.array([[float(cell or "nan") for cell in row] for row in rows[first:]])
    except ValueError:
        raise BadInput(path, "its rows are not numbers of equal count", _REMEDY) from None
    if body.ndim != len(("rows", "columns")):
        raise BadInput(path, "has no row of numbers", _REMEDY)
    settings = {row[0].lower(): row[1] for row in head if len(row) > 1}
    names = [name.lower() for name in head[-1]] if head else _default_names(path, body.shape[1])
    values = np.full((len(body), len(AXES)), np.nan)
    for column, axis in _columns(path, names, "magnitude" in settings).items():
        values[:, AXES.index(axis)] = body[:, column]
    if names[0] in _TIMES:
        time = body[:, 0]
    else:
        values[values == DISCARDED] = np.nan
        time = np.arange(len(body)) / fps
    if names[0] == "second" and len(time) > 1:  # of a bin's end: its middle is meant
        time = time - np.median(np.diff(time)) / 2
    return Track(time, _rescale(path, values, settings))


def _default_names(path: Path, count: int) -> list[str]:
    """Columns of a table without a header."""
    by_count = {1: ["value"], 2: ["time", "value"], 3: ["time", *AXES]}
    if count not in by_count:
        raise BadInput(path, f"has {count} columns and no header", _REMEDY)
    return by_count[count]


def _columns(path: Path, names: Sequence[str], is_plane: bool) -> dict[int, str]:
    """The axis of each column; of DARMA's two labels the first is the horizontal one."""
    if is_plane:
        return dict(enumerate(AXES, start=1))
    found = {k: name for k, name in enumerate(names) if name in AXES}
    axis = track_name(path)[1]
    values = [k for k, name in enumerate(names) if name in ("value", "rating")]
    if not found and axis and len(values) == 1:
        found = {values[0]: axis}
    if not found:
        rule = "nothing says which column is valence and which arousal"
        raise BadInput(path, rule, "name the columns, or the file NAME.valence.csv")
    return found


def _rescale(path: Path, values: Floats, settings: dict[str, str]) -> Floats:
    """CARMA's and DARMA's scale to [-1, 1]; other values as they are."""
    try:
        high = float(settings.get("magnitude", settings.get("maximum value", "1")))
        low = -high if "magnitude" in settings else float(settings.get("minimum value", "-1"))
    except ValueError:
        raise BadInput(path, "its scale is no number", _REMEDY) from None
    if not low < high:
        raise BadInput(path, f"its scale goes from {low:g} to {high:g}", _REMEDY)
    return np.asarray(2 * (values - low) / (high - low) - 1 if (low, high) != (-1, 1) else values)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _parse_eaf(path: Path, text: str) -> Track:
    """ELAN's annotations that are numbers, each held from its begin to its end."""
    try:
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("it declares entities")
        root = ElementTree.fromstring(text)
        slots = {s.attrib["TIME_SLOT_ID"]: s.get("TIME_VALUE") for s in root.iter("TIME_SLOT")}
        rows: list[tuple[float, int, float]] = []
        for tier in root.iter("TIER"):
            axes = [k for k, axis in enumerate(AXES) if axis in tier.attrib["TIER_ID"].lower()]
            for annotation in tier.iter("ALIGNABLE_ANNOTATION") if axes else ():
                value = float(annotation.findtext("ANNOTATION_VALUE") or "nan")
                for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
                    seconds = float(slots[annotation.attrib[end]] or "nan") / 1000
                    rows.append((seconds, axes[0], value))
    except (ElementTree.ParseError, ValueError, KeyError, RecursionError) as error:
        raise BadInput(path, f"cannot be read as ELAN's ({error})", _REMEDY) from None
    time = np.unique([row[0] for row in rows])
    values = np.full((len(time), len(AXES)), np.nan)
    for axis in range(len(AXES)):
        own = sorted((t, v) for t, k, v in rows if k == axis)
        if own:
            x, y = np.array(own).T
            values[:, axis] = np.interp(time, x, y, np.nan, np.nan)
    return Track(time, values)
