"""Frames scattered over many stored sequences, as one array: `gather`, and `scratch` to hold it.

Each sequence is opened once, for all frames that are asked of it, and only the chunks in which they
lie are decoded. Dask's threads share the sequences; each thread holds a few chunks at a time and
writes its own rows of the result, which therefore has the same bytes for any number of threads.
"""

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affect4d.store import codec, groups, protocol
from affect4d.store.arrays import Array
from affect4d.store.protocol import StoreError

_NAME = "vertices"
# Decoded at once by a thread: 41 MB at 53,215 vertices.
_PIECE_FRAMES = 8 * codec.FRAMES
# About 150 ms at 53,215 vertices; Dask spends half a millisecond on a task.
_BATCH_CHUNKS = 32


@dataclass(frozen=True)
class _Part:
    """What is asked of one sequence; its rows of the result start at `first`."""

    path: Path
    frames: np.ndarray
    origin: np.ndarray | None
    first: int


def gather(
    selection: Mapping[Path, Any],
    out: np.ndarray | None = None,
    *,
    origins: Mapping[Path, Any] | None = None,
    vertices: Any = slice(None),
    workers: int = 1,
) -> np.ndarray:
    """Read frames of many sequences; beside the result, memory grows with `workers` only.

    Parameters
    ----------
    selection : dict of path to ints
        For each store the frames of its array `vertices`, in any order and as often as wanted. The
        rows of the result are in this order, one store after the other.
    out : (N, W, 3) float32, optional
        Receives the frames, in memory or mapped from a file.
    origins : dict of path to ints, optional
        For each store the frames whose mean is subtracted from those selected.
    vertices : index of the W vertices kept
    workers : threads

    Returns
    -------
    (N, W, 3) float32, mm; `out` where it is given

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
    _run(_batches(part for part in parts if len(part.frames)), out, count, vertices, workers)
    return out


def scratch(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array in an unnamed file under $TMPDIR; the file goes with the array.

    Raises
    ------
    StoreError
        The disk has no room for it.
    """
    with protocol.translate_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        # Where space is lacking, filling the mapping would kill the process without a word.
        os.posix_fallocate(file.fileno(), 0, np.dtype(np.float32).itemsize * math.prod(shape))
        return np.asarray(np.memmap(file, np.float32, "r+", shape=shape))


def _parts(selection: Mapping[Path, Any], origins: Mapping[Path, Any] | None) -> list[_Part]:
    parts, first = [], 0
    for path, frames in selection.items():
        indices = _indices(path, frames)
        origin = None if origins is None else _indices(path, origins[path])
        if origin is not None and not len(origin):
            raise ValueError(f"{path}: no frames whose mean could be subtracted")
        parts.append(_Part(Path(path), indices, origin, first))
        first += len(indices)
    return parts


def _indices(path: Path, frames: Any) -> np.ndarray:
    indices = np.asarray(frames)
    if indices.ndim != 1 or (len(indices) and indices.dtype.kind not in "iu"):
        raise ValueError(f"{path}: frames are a flat list of integers, not {indices.dtype}")
    return indices.astype(np.int64)


def _batches(parts: Iterable[_Part]) -> list[list[_Part]]:
    """The parts in order, so many together as make a task worth its cost."""
    batches: list[list[_Part]] = []
    room = 0
    for part in parts:
        if room <= 0:
            batches.append([])
            room = _BATCH_CHUNKS
        batches[-1].append(part)
        # Opening a sequence takes about as long as a chunk.
        room -= 1 + len(np.unique(part.frames // codec.FRAMES))
    return batches


def _run(
    batches: list[list[_Part]], out: np.ndarray, count: int, vertices: Any, workers: int
) -> None:
    import dask

    def read(batch: list[_Part]) -> None:
        for part in batch:
            _fill(part, out, count, vertices)

    # Its own pool: when a task fails, those still running end before the caller has `out` back.
    with ThreadPoolExecutor(workers) as pool:
        tasks = [dask.delayed(read, traverse=False)(batch) for batch in batches]
        dask.compute(*tasks, traverse=False, scheduler="threads", pool=pool)


def _fill(part: _Part, out: np.ndarray, count: int, vertices: Any) -> None:
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
    rows, places = np.unique(part.frames, return_inverse=True)
    for start, values in _pieces(array, rows, vertices):
        if origin is not None:
            values -= origin
        for place in np.flatnonzero((places >= start) & (places < start + len(values))):
            out[part.first + place] = values[places[place] - start]
        del values  # before the next piece is decoded


def _open(path: Path) -> Array:
    store = groups.open(path)
    if _NAME not in store:
        raise StoreError(path, f"has no array {_NAME}", "name registered sequences")
    return store[_NAME]


def _check(part: _Part, array: Array) -> None:
    asked = part.frames if part.origin is None else np.concatenate([part.frames, part.origin])
    outside = asked[(asked < 0) | (asked >= len(array))]
    if len(outside):
        raise StoreError(
            part.path,
            f"has {len(array)} frames, counted from 0, and no frame {outside[0]}",
            "select frames that it has",
        )


def _mean(array: Array, frames: np.ndarray, vertices: Any) -> np.ndarray:
    """The mean (W, 3) float32 of some frames."""
    rows, times = np.unique(frames, return_counts=True)
    total: Any = 0.0
    for start, values in _pieces(array, rows, vertices):
        weights = times[start : start + len(values)].astype(np.float64)
        total = total + np.einsum("t,tvc->vc", weights, values)
        del values
    return (total / len(frames)).astype(np.float32)


def _pieces(array: Array, rows: np.ndarray, vertices: Any) -> Iterator[tuple[int, np.ndarray]]:
    """The frames `rows` (ascending) in pieces of whole chunks: place of the first, values."""
    ends = np.flatnonzero(np.diff(rows // _PIECE_FRAMES)) + 1
    start = 0
    for piece in np.split(rows, ends):
        yield start, array[piece][:, vertices]
        start += len(piece)
