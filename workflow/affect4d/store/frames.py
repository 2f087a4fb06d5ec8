"""Frames scattered over many stored sequences, as one array: `gather`, and `scratch` to hold it.

Each sequence is opened once, for all frames selected from it, and only the chunks that hold them
are decoded. Each thread holds a few chunks at a time and writes its own rows of the result, which
therefore has the same bytes for any number of threads.
"""

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.store import codec, groups, protocol
from affect4d.store.arrays import Array
from affect4d.store.protocol import StoreError

_NAME = "vertices"
# Decoded at once by a thread: 41 MB at 53,215 vertices.
_PIECE_FRAMES = 8 * codec.FRAMES

Frames: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """Frames selected from one sequence; their rows of the result start at `first`."""

    path: Path
    frames: Frames
    origin: Frames | None
    first: int


def gather(
    selection: Mapping[Path, Sequence[int] | NDArray[np.integer]],
    out: NDArray[np.float32] | None = None,
    *,
    origins: Mapping[Path, Sequence[int] | NDArray[np.integer]] | None = None,
    vertices: Any = slice(None),
    workers: int = 1,
) -> NDArray[np.float32]:
    """Read frames of many sequences; beside the result, memory grows with `workers` only.

    Parameters
    ----------
    selection : for each store the frames of its array `vertices`, in any order, repeated or not
        The rows of the result are in this order, one store after the other.
    out : (N, W, 3) mm
        Receives the frames, in memory or mapped from a file.
    origins : for each store the frames whose mean is subtracted from those selected
    vertices : index of the W vertices kept
    workers : threads

    Returns
    -------
    (N, W, 3) mm; `out` where it is given

    Raises
    ------
    StoreError
        A store is missing or damaged, or has no such frame; `out` is then filled in part.
    ValueError
        `out` does not fit, there is no store at all, or no frame to subtract.
    """
    parts = _parts(selection, origins)
    if not parts:
        raise ValueError("no sequence to gather from")
    count = _open(parts[0].path).shape[1]
    shape = (sum(len(part.frames) for part in parts), len(np.arange(count)[vertices]), 3)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"out is {out.shape} {out.dtype}, expected {shape} float32")
    result = out

    def fill(part: _Part) -> None:
        if len(part.frames):
            _fill(part, result, count=count, vertices=vertices)

    # When one fails, the running ones end before the caller gets the exception, and `out` back.
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(fill, parts):
            pass
    return out


def scratch(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array in an unnamed file under $TMPDIR; the file is removed with the array.

    Raises
    ------
    StoreError
        The disk has not enough free space.
    """
    with protocol.translate_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        # Without free space, writing to the mapping would kill the process by SIGBUS.
        os.posix_fallocate(file.fileno(), 0, np.dtype(np.float32).itemsize * math.prod(shape))
        return np.asarray(np.memmap(file, np.float32, "r+", shape=shape))


def _parts(selection: Mapping[Path, Any], origins: Mapping[Path, Any] | None) -> list[_Part]:
    parts: list[_Part] = []
    first = 0
    for path, frames in selection.items():
        indices = _indices(path, frames)
        origin = None if origins is None else _indices(path, origins[path])
        if origin is not None and not len(origin):
            raise ValueError(f"{path}: no frames whose mean could be subtracted")
        parts.append(_Part(Path(path), indices, origin, first))
        first += len(indices)
    return parts


def _indices(path: Path, frames: Any) -> Frames:
    indices = np.asarray(frames)
    if indices.ndim != 1 or (len(indices) and indices.dtype.kind not in "iu"):
        raise ValueError(f"{path}: frames are a flat list of integers, not {indices.dtype}")
    return indices.astype(np.int64)


def _fill(part: _Part, out: NDArray[np.float32], *, count: int, vertices: Any) -> None:
    """Read one sequence into its rows of `out`."""
    array = _open(part.path)
    if array.shape[1] != count:
        raise StoreError(
            part.path,
            f"has {array.shape[1]} vertices, where the first sequence has {count}",
            "register all sequences with one template",
        )
    _check(part, array)
    origin = None if part.origin is None else _mean(array, part.origin, vertices)
    rows, inverse = np.unique(part.frames, return_inverse=True)
    for start, values in _pieces(array, rows, vertices):
        if origin is not None:
            values -= origin
        for index in np.flatnonzero((inverse >= start) & (inverse < start + len(values))):
            out[part.first + index] = values[inverse[index] - start]
        del values  # before the next piece is decoded


def _open(path: Path) -> Array:
    store = groups.open(path)
    if _NAME not in store:
        raise StoreError(path, f"has no array {_NAME}", "name registered sequences")
    return store[_NAME]


def _check(part: _Part, array: Array) -> None:
    frames = part.frames if part.origin is None else np.concatenate([part.frames, part.origin])
    outside = frames[(frames < 0) | (frames >= len(array))]
    if len(outside):
        raise StoreError(
            part.path,
            f"has {len(array)} frames, counted from 0, and no frame {outside[0]}",
            "select frames that it has",
        )


def _mean(array: Array, frames: Frames, vertices: Any) -> NDArray[np.float32]:
    """The mean (W, 3) of some frames, mm."""
    rows, times = np.unique(frames, return_counts=True)
    total: NDArray[np.float64] | float = 0.0
    for start, values in _pieces(array, rows, vertices):
        weights = times[start : start + len(values)].astype(np.float64)
        total = total + np.einsum("t,tvc->vc", weights, values)
        del values
    return np.asarray(total / len(frames), np.float32)


def _pieces(array: Array, rows: Frames, vertices: Any) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The frames `rows` (ascending) in pieces of complete chunks: index of the first, values."""
    ends = np.flatnonzero(np.diff(rows // _PIECE_FRAMES)) + 1
    start = 0
    for piece in np.split(rows, ends):
        yield start, array[piece][:, vertices]
        start += len(piece)
