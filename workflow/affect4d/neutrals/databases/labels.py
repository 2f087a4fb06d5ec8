"""Files of labels per frame: one value per line (Aff-Wild), or valence and arousal (Aff-Wild2)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content, without_mark
from affect4d.quarantine import BadInput

_AXES = ("valence", "arousal")
_RAISE = "raise `neutrals.limits.side_file_mb`"


def read_labels(path: Path, max_bytes: int) -> NDArray[np.float64] | None:
    """The values, (N, 1) without a header, (N, 2) under `valence,arousal`; None: other columns.

    Raises
    ------
    BadInput
        The file cannot be read, or a line holds anything but its numbers.
    """
    content = read_content(path, max_bytes, "label file", remedy=_RAISE)
    try:
        lines = without_mark(content).decode("ascii").split("\n")
    except ValueError:
        raise BadInput(path, "it is not text of numbers", "copy the annotations again") from None
    while lines and not lines[-1].strip():
        lines.pop()
    columns = _columns(lines[0]) if lines else None
    if columns is not None:
        if set(columns) != set(_AXES):
            return None
        lines = lines[1:]
    count = 1 if columns is None else len(columns)
    first = 1 if columns is None else 2
    values = np.array([_values(path, n, line, count=count) for n, line in enumerate(lines, first)])
    values = values.reshape(-1, count)
    return values if columns is None else values[:, [columns.index(axis) for axis in _AXES]]


def _columns(line: str) -> list[str] | None:
    """The names in a header; None where the line holds numbers."""
    names = [name.strip().lower() for name in line.split(",")]
    try:
        float(names[0])
    except ValueError:
        return names
    return None


def _values(path: Path, number: int, line: str, *, count: int) -> list[float]:
    try:
        values = [float(text) for text in line.replace(",", " ").split()]
    except ValueError:
        values = []
    if len(values) != count:
        rule = f"the line is {line.strip()[:40]!r}, not {count} numbers"
        raise BadInput(f"{path}:{number}", rule, "correct it: labels count by lines")
    return values


def join_axes(axes: dict[str, tuple[Path, NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Valence and arousal (N, 2) of a track with one file per axis, as long as the shorter.

    Raises
    ------
    BadInput
        One of the two is missing.
    """
    missing = [axis for axis in _AXES if axis not in axes]
    if missing:
        path = next(path for path, _ in axes.values())
        raise BadInput(
            path, f"there is no file of {missing[0]} for it", "copy it, or remove this one"
        )
    both = [axes[axis][1][:, 0] for axis in _AXES]
    count = min(map(len, both))
    return np.stack([values[:count] for values in both], axis=1)
