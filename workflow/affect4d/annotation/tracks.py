"""Tracks of valence and arousal as this and other tools write them.

- `time,valence,arousal` in seconds, as `affect4d annotate` writes it; `time,value` of one axis;
  columns in any order, the time also in milliseconds or as the frame's number from 0;
- Aff-Wild: one number per frame and line, one file per axis; Aff-Wild2: `valence,arousal` per
  frame, -5 where a frame is discarded;
- CARMA and DARMA (Girard 2014; Girard & Wright 2018): lines of settings, then `Second,Rating` or
  `Second,X,Y,Button`, means over bins, each with the time of its end;
- ELAN's .eaf: tiers whose names hold "valence" or "arousal", of annotations that are numbers.

The axis of a file of one axis is in its name (anna.valence.csv) or its folder's.
"""

import csv
import math
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
MAX_TIME_S = 36_000.0  # 10 hours: what is later is no time since a sequence's begin, in seconds
_PER_SECOND = {
    f"{name} {unit}".strip(): per_second
    for unit, per_second in (("", 1), ("s", 1), ("sec", 1), ("seconds", 1), ("ms", 1000))
    for name in ("time", "timestamp", "t")
} | {"second": 1, "seconds": 1, "ms": 1000}
_FRAMES = ("frame", "frames", "frame number")
_VALUES = ("value", "rating")
_ROW_NUMBERS = ("", "index", "unnamed 0")  # as pandas writes them
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
    if np.abs(track.time).max() > MAX_TIME_S:
        rule = f"has times beyond {MAX_TIME_S:g} s"
        raise BadInput(path, rule, "count time from the sequence's begin, name its unit: time_ms")
    if (np.abs(track.values) > 1).any():
        raise BadInput(path, "has values outside [-1, 1]", "scale them to [-1, 1]")
    return track


def _parse_table(path: Path, text: str, fps: float) -> Track:
    delimiter = next((mark for mark in "\t;," if mark in text), ",")
    lines = list(csv.reader(text.splitlines(), delimiter=delimiter))
    rows = [[cell.strip() for cell in line] for line in lines if any(map(str.strip, line))]
    first = next((k for k, row in enumerate(rows) if all(map(_is_number, row))), len(rows))
    head = [row for row in rows[:first] if not row[0] or not set(row[0]) <= {"%"}]
    try:
        body = np.array([[float(cell or "nan") for cell in row] for row in rows[first:]])
    except ValueError:
        raise BadInput(path, "its rows are not numbers of equal count", _REMEDY) from None
    if body.ndim != len(("rows", "columns")):
        raise BadInput(path, "has no row of numbers", _REMEDY)
    settings = {row[0].lower(): row[1] for row in head if len(row) > 1}
    header = head[-1] if head else _default_names(path, body.shape[1])
    names = [re.sub(r"[\W_]+", " ", name.lower()).strip() for name in header]
    if len(names) != body.shape[1]:
        rule = f"names {len(names)} columns, but its rows have {body.shape[1]}"
        raise BadInput(path, rule, "name every column")
    is_plane = "magnitude" in settings
    if not is_plane:
        _check_columns(path, names, body)
    values = np.full((len(body), len(AXES)), np.nan)
    for column, axis in _columns(path, names, is_plane).items():
        values[:, AXES.index(axis)] = body[:, column]
    timed = next((name for name in (*_PER_SECOND, *_FRAMES) if name in names), None)
    if timed is None:
        values[values == DISCARDED] = np.nan
        time = np.arange(len(body)) / fps
    else:
        time = body[:, names.index(timed)] / _PER_SECOND.get(timed, fps)
    if timed == "second" and len(time) > 1:  # of a bin's end: its middle is meant
        time = time - np.median(np.diff(time)) / 2
    return Track(time, _rescale(path, values, settings))


def _check_columns(path: Path, names: Sequence[str], body: Floats) -> None:
    """Refuse columns that would be ignored, as a time of another name, or that are duplicates."""
    known = {*_PER_SECOND, *_FRAMES, *_VALUES, *AXES}
    for name, column in zip(names, body.T, strict=True):
        is_number = name in _ROW_NUMBERS and np.array_equal(column, np.arange(len(column)))
        if is_number or (not name and np.isnan(column).all()):
            continue
        if name not in known or names.count(name) > 1:
            rule = f"has a column {name!r} that is unknown or a duplicate"
            raise BadInput(path, rule, "name the columns time, valence, arousal; remove others")


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
    values = [k for k, name in enumerate(names) if name in _VALUES]
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
        spans: list[list[tuple[float, float, float]]] = [[] for _ in AXES]
        for tier in root.iter("TIER"):
            axes = [k for k, axis in enumerate(AXES) if axis in tier.attrib["TIER_ID"].lower()]
            for annotation in tier.iter("ALIGNABLE_ANNOTATION") if axes else ():
                value = float(annotation.findtext("ANNOTATION_VALUE") or "nan")
                ends = (annotation.attrib[f"TIME_SLOT_REF{k}"] for k in (1, 2))
                begin, end = (float(slots[slot] or "nan") / 1000 for slot in ends)
                spans[axes[0]].append((begin, end, value))
        steps = [_steps(sorted(own)) for own in spans]
    except (ElementTree.ParseError, ValueError, KeyError, RecursionError) as error:
        raise BadInput(path, f"cannot be read as ELAN's ({error})", _REMEDY) from None
    time = np.unique(np.concatenate([own[0] for own in steps]))
    nothing = np.full(len(time), np.nan)
    columns = [np.interp(time, *own, np.nan, np.nan) if len(own[0]) else nothing for own in steps]
    return Track(time, np.stack(columns, axis=1))


def _steps(spans: Sequence[tuple[float, float, float]]) -> tuple[Floats, Floats]:
    """Times and values (S,) that, interpolated, hold in each span its value and NaN between.

    Parameters
    ----------
    spans : begin (s), end (s) and value, by begin; a span's end belongs to the next one
    """
    points: list[tuple[float, float]] = []
    last = -math.inf
    for begin, end, value in spans:
        if not last <= begin < end:
            raise ValueError(f"annotations of an axis overlap, or have no length, at {begin:g} s")
        if points and last < begin:
            points.append((last, math.nan))
        points += [(begin, value), (math.nextafter(end, begin), value)]
        last = end
    time, values = np.array(points, dtype=np.float64).reshape(-1, 2).T
    return time, values
