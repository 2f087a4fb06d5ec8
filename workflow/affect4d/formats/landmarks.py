"""Landmark files of any mark-up: .pts, .ljson (menpo), .lm3 (Bosphorus), .bnd (BU-3DFE), .tem.

As arrays, they are iBUG's 68 points, NaN where a mark-up has none; coordinates are (x, y) pixels
counted from 0, or (x, y, z) millimetres.
"""

import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d.formats.content import read_content, without_mark
from affect4d.formats.last_line import TRUNCATED, is_whole_decimal, warn_of_last_line
from affect4d.formats.limits import DEFAULT
from affect4d.formats.markup import DEFAULT_MARKUP, known_markups, load_markup
from affect4d.formats.polygons import MAX_DISTANCE_MM
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import COUNT, LEFT_EYE, MOUTH, RIGHT_EYE

_MIN_POINTS = 6  # as registration requires
_PARTS = {"right eye": RIGHT_EYE, "left eye": LEFT_EYE, "mouth": MOUTH}
_IMPLIED = {".lm3": "bosphorus", ".bnd": "bu3dfe83", ".tem": "london189"}
_ENDS_WITH_A_POINT = (".pts", ".lm3", ".bnd")  # the others end with a brace, or what is not read
_MAX_ROWS = 10_000  # points: the largest mark-ups have some hundred
_ANNOUNCED = re.compile(r"(\d{1,6})(?:\s+landmarks?\s*:?)?")
_PTS = re.compile(
    r"(?P<head>(?:[ \t]*+(?:[A-Za-z_]+[ \t]*+:[^\r\n{]*+|(?:#|//)[^\r\n]*+)?+[\r\n]++)*+)"
    r"\s*+(?P<open>\{)?+(?P<body>[^{}]*+)(?P<close>\}.*+)?+",
    re.DOTALL,
)
_N_POINTS = re.compile(r"n_points\s*:\s*([0-9]{1,9})\s")
_MAX_REASON = 160  # characters of a parser's message

Points: TypeAlias = NDArray[np.float64]
Parsed: TypeAlias = tuple[Points | list[list[float]], list[str] | None]  # points and labels


def read_landmarks(
    path: Path | str,
    dimension: int = 2,
    markup: Path | str = DEFAULT_MARKUP,
    *,
    max_bytes: int = DEFAULT.side_file_bytes,
) -> Points:
    """Read landmarks in iBUG order.

    Parameters
    ----------
    path : .pts, .ljson, .lm3, .bnd or .tem file
    dimension : 2 for photographs (.pts counts pixels from 1), 3 for scans (mm, unchanged)
    markup : name of a mark-up ("ibug68", "ibug49", ...) or path of a user's .yaml
        With the default, .lm3, .bnd and .tem imply the mark-up of their database.
    max_bytes : of the file

    Returns
    -------
    (68, dimension), pixels or mm; rows that the mark-up does not have are NaN

    Raises
    ------
    BadInput
        The file is missing, cannot be parsed, does not hold the mark-up's points, a point that
        the mark-up has is not finite, or the points do not suffice for a face (fewer than 6, no
        point of an eye or of the mouth).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    readers = {
        ".pts": _read_pts,
        ".ljson": _read_ljson,
        ".lm3": _read_lm3,
        ".bnd": _read_bnd,
        ".tem": _read_tem,
    }
    if suffix not in readers:
        known = ", ".join(sorted(readers))
        raise BadInput(path, f"unknown landmark format {suffix!r}", f"give one of {known}")
    name = _IMPLIED.get(suffix, markup) if markup == DEFAULT_MARKUP else str(markup)
    chosen = load_markup(name)
    content = read_content(path, max_bytes, "landmark file")
    try:
        text = without_mark(content).decode()
        parsed, labels = readers[suffix](text, dimension)
        points = np.array(parsed, dtype=np.float64)
        is_unended = suffix in _ENDS_WITH_A_POINT and _has_cut_end(text)
    except Exception as error:  # whatever a parser raises
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise BadInput(path, f"cannot be read as landmarks ({reason})", "write it again") from None
    if points.ndim != 2 or points.shape[1] != dimension:
        raise BadInput(
            path,
            f"expected {chosen.points} points of {dimension} coordinates, found {points.shape}",
            "write one point per line, all of its coordinates",
        )
    if chosen.is_labelled and labels is None:
        raise BadInput(path, f"mark-up {name} needs labelled points", "give a .lm3 file")
    if not chosen.is_labelled and len(points) != chosen.points:
        raise _wrong_count(path, len(points), expected=f"{chosen.points} points ({name})")
    has = np.isfinite(chosen.arrange(np.zeros_like(points), labels)[:, 0])
    arranged = chosen.arrange(points, labels)
    if not np.isfinite(arranged[has]).all():
        raise BadInput(path, "a landmark is not a finite number", "mark the missing points")
    if np.abs(arranged[has]).max() > MAX_DISTANCE_MM:
        raise BadInput(path, "a landmark lies more than 10 km from the origin", "mark it again")
    if is_unended:
        warn_of_last_line(path)
    return _check_parts(arranged, has, path)


def check_landmarks(values: ArrayLike, file: Path | str, dimension: int) -> Points:
    """The landmarks as (68, dimension); BadInput that names `file` where they are invalid."""
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape != (COUNT, dimension):
        raise BadInput(
            file,
            f"expected {COUNT} points of {dimension} coordinates, found {points.shape}",
            f"mark all {COUNT} iBUG points",
        )
    if not np.isfinite(points).all():
        raise BadInput(file, "a landmark is not a finite number", "mark the missing points")
    return points


def write_pts(path: Path | str, landmarks: NDArray[np.floating]) -> None:
    """Write landmarks (68, 2) pixels (counted from 1 in the file) or (68, 3) mm as .pts."""
    landmarks = np.asarray(landmarks, dtype=float)
    shifted = landmarks + 1.0 if landmarks.shape[1] == 2 else landmarks
    rows = "\n".join(" ".join(f"{value:.4f}" for value in row) for row in shifted)
    Path(path).write_text(
        f"version: 1\nn_points: {len(landmarks)}\n{{\n{rows}\n}}\n", encoding="utf-8"
    )


def _wrong_count(path: Path, count: int, *, expected: str) -> BadInput:
    fitting = [name for name, markup in known_markups().items() if markup.points == count]
    remedy = f"set the mark-up to {' or '.join(fitting)}" if fitting else "mark all of them"
    return BadInput(path, f"expected {expected}, found {count}", remedy)


def _check_parts(points: Points, has: NDArray[np.bool_], path: Path) -> Points:
    missing = [name for name, rows in _PARTS.items() if not has[rows].any()]
    if missing or has.sum() < _MIN_POINTS:
        what = f"no point of the {missing[0]}" if missing else f"only {has.sum()} points"
        raise BadInput(path, f"{what} is marked", "mark at least both eyes and the mouth")
    return points


def _has_cut_end(text: str) -> bool:
    """Whether the last line of a text has no end; ValueError where its number may be cut off."""
    if text.endswith(("\n", "\r", "}")):
        return False
    *others, last = text.split()
    if not is_whole_decimal(last, others):
        raise ValueError(TRUNCATED)
    return True


# One reader per format: (text, dimension) -> (points, labels or None); they raise ValueError.


def _read_pts(text: str, dimension: int) -> Parsed:
    """Lines such as `n_points: 68`, then one row per point, in braces or not."""
    parts = _PTS.fullmatch(text)
    if parts is None:
        raise ValueError("something stands before the opening brace")
    head, opened, body, closed = parts.group("head", "open", "body", "close")
    rows = _rows(line for line in body.splitlines() if line.strip())
    announced = _N_POINTS.search(head)
    if opened and not closed and (announced is None or int(announced[1]) != len(rows)):
        raise ValueError("truncated: there is no closing brace")
    points = np.array(rows)
    return (points - 1.0 if dimension == 2 else points), None


def _read_ljson(text: str, dimension: int) -> Parsed:
    group = json.loads(text)
    groups = group.get("groups") if isinstance(group, dict) else None
    if groups:
        group = next(iter(groups.values())) if isinstance(groups, dict) else groups[0]
    landmarks = group.get("landmarks") if isinstance(group, dict) else None
    if not isinstance(landmarks, dict) or "points" not in landmarks:
        raise ValueError("no 'landmarks' in the file")
    points = np.array(landmarks["points"], dtype=float)
    if points.ndim == 2 and dimension == 2:
        points = points[:, ::-1]  # menpo stores (y, x) for images
    return points, None


def _read_lm3(text: str, dimension: int) -> Parsed:
    """A count, then a line with a label and a line with coordinates for each point."""
    announced: int | None = None
    label: str | None = None
    rows: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if count := _ANNOUNCED.fullmatch(line):
            announced = int(count.group(1))
        elif not _is_row(line):
            label = line
        elif label is None or label in rows:
            raise ValueError(f"coordinates without a label: {line[:60]!r}")
        else:
            rows[label], label = line, None
    if announced != len(rows):
        raise ValueError(f"{announced} landmarks announced, {len(rows)} found (truncated?)")
    return _rows(rows.values()), list(rows)


def _is_row(line: str) -> bool:
    try:
        return len([float(value) for value in line.split()]) == 3
    except ValueError:
        return False


def _read_bnd(text: str, dimension: int) -> Parsed:
    """One line per point: the scan's vertex (not needed), x, y, z."""
    rows = _rows(line for line in text.splitlines() if line.strip())
    if any(len(row) != 4 for row in rows):
        raise ValueError("a line is not a vertex's number and three coordinates")
    return [row[1:] for row in rows], None


def _read_tem(text: str, dimension: int) -> Parsed:
    """Psychomorph's template: a count, that many points, then lines between them (not needed)."""
    lines = [line for line in text.splitlines() if line.strip()]
    count = int(lines[0]) if lines else 0
    rows = _rows(lines[1 : count + 1])
    if len(rows) != count:
        raise ValueError(f"{count} points announced, {len(rows)} found (truncated?)")
    return rows, None


def _rows(lines: Iterable[str]) -> list[list[float]]:
    rows = [[float(value) for value in line.split()] for line in islice(lines, _MAX_ROWS + 1)]
    if len(rows) > _MAX_ROWS:
        raise ValueError(f"more than {_MAX_ROWS} points")
    if len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different lengths" if rows else "no points")
    return rows
