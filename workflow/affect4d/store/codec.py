"""Vertex sequences as small integers: 10 um steps of the displacement from the neutral face.

Within each chunk of eight frames the first holds its displacement and every other the difference
to the frame before it, zigzag-folded to unsigned integers (Protocol Buffers' `sint` mapping), so
that a chunk decodes by itself and small motions of either sign become small numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

STEP = 0.01  # mm
FRAMES = 8  # a chunk
ENCODING = "zigzag-time-difference"
VERSION = 1

# No face reaches further, in mm; up to here, with float32's own rounding added, a decoded vertex is
# less than .01 mm from where it was, and the differences fit 32 bits.
_FARTHEST = 5000.0


@dataclass(frozen=True, eq=False)
class Vertices:
    """A sequence to be stored quantised: `values` (T, V, 3) mm and the `neutral` face (V, 3) mm.

    `values` is an array or what is sliced like one (`shape`, `values[a:b]`), so that a sequence
    need not be in memory.
    """

    values: Any
    neutral: np.ndarray

    def __post_init__(self):
        values, neutral = tuple(self.values.shape), np.shape(self.neutral)
        if len(values) != 3 or values[2] != 3 or 0 in values or neutral != values[1:]:
            raise ValueError(
                f"vertices {values} and neutral {neutral}: expected (T, V, 3) and (V, 3)"
            )


def describe(neutral: str) -> dict:
    """The attributes from which any reader can decode; `neutral` names the array of that face."""
    return {
        "encoding": ENCODING,
        "encoding_version": VERSION,
        "step": STEP,
        "frames_per_chunk": FRAMES,
        "neutral": neutral,
        "unit": "mm",
        "axes": ["frame", "vertex", "xyz"],
        "convention": "x to the subject's left, y up, z out of the face",
    }


def encode(values: np.ndarray, neutral: np.ndarray, dtype: type) -> np.ndarray:
    """Quantise frames (T, V, 3) mm to `dtype`, np.uint16 or np.uint32; T starts where a chunk does.

    Raises
    ------
    OverflowError
        Two frames of a chunk are too far apart for the type.
    ValueError
        A coordinate is not finite, or more than 5 m from the neutral face, or that from the origin.
    """
    from affect4d.store import kernels

    face = _flat(neutral)
    if not (np.abs(face) <= _FARTHEST).all():
        raise ValueError("the neutral face is not finite, or more than 5 m away from the origin")
    stored: np.ndarray = np.empty(values.shape, dtype)
    bits, outside = kernels.fold(
        _coordinates(values), face, 1 / STEP, _FARTHEST / STEP, FRAMES, _rows(stored)
    )
    if outside:
        raise ValueError(
            "vertices are more than 5 m away from the neutral face"
            if np.isfinite(values).all()
            else "vertices are not finite"
        )
    if bits > np.iinfo(dtype).max:
        raise OverflowError
    return stored


def decode(
    stored: np.ndarray,
    neutral: np.ndarray,
    step: float,
    frames: int,
    rows: np.ndarray | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """The inverse of `encode`: (T, V, 3) float32 mm; `stored` starts where a chunk starts.

    Parameters
    ----------
    stored : (T, V, 3) unsigned integers
    neutral : (V, 3) mm
    step : mm
    frames : a chunk
    rows : the frames of `stored` that are wanted, each once; all by default
    out : where to write them, (len(rows), V, 3) float32, contiguous
    """
    from affect4d.store import kernels

    wanted = np.arange(len(stored)) if rows is None else rows
    values: np.ndarray = (
        np.empty((len(wanted), *stored.shape[1:]), np.float32) if out is None else out
    )
    target = np.full(len(stored), -1)
    target[wanted] = np.arange(len(wanted))
    kernels.unfold(_rows(stored), _flat(neutral), step, frames, target, _rows(values))
    return values


def is_within_bound(stored: np.ndarray, neutral: np.ndarray, values: np.ndarray) -> bool:
    """Whether each coordinate of `values` (T, V, 3) mm decodes within its error bound."""
    from affect4d.store import kernels

    return not kernels.deviates(
        _rows(stored), _flat(neutral), STEP, FRAMES, _coordinates(values), error_bound(values)
    )


def error_bound(values: np.ndarray) -> float:
    """The largest error of a decoded coordinate in mm: half a step and float32's own rounding."""
    largest = max(values.max(), -values.min()) + STEP
    return STEP / 2 + float(np.spacing(np.float32(largest))) / 2


def _rows(frames: np.ndarray) -> np.ndarray:
    """(T, V, 3) as (T, 3 V), a view wherever the memory allows."""
    return np.ascontiguousarray(frames).reshape(len(frames), 3 * frames.shape[1])


def _coordinates(values: np.ndarray) -> np.ndarray:
    """The frames (T, 3 V) in one of the two types for which the loops are compiled."""
    return _rows(values if values.dtype == np.float32 else values.astype(np.float64))


def _flat(neutral: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(neutral, np.float32).reshape(-1)
