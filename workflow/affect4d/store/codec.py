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

# Beyond this many steps (10 m) the differences no longer fit 32 bits, and no face is that large.
_LARGEST = 10**6


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
        A coordinate is not finite, or further than 10 m from the neutral face.
    """
    neutral = np.asarray(neutral, np.float32)
    stored: np.ndarray = np.empty(values.shape, dtype)
    for start in range(0, len(stored), FRAMES):
        block = slice(start, start + FRAMES)
        folded = _fold(_steps(values[block], neutral))
        if folded.max() > np.iinfo(dtype).max:
            raise OverflowError
        stored[block] = folded
    return stored


def decode(stored: np.ndarray, neutral: np.ndarray, step: float, frames: int) -> np.ndarray:
    """The inverse of `encode`: (T, V, 3) float32 mm; `stored` starts where a chunk starts."""
    values = np.empty(stored.shape, np.float32)
    for start in range(0, len(stored), frames):
        folded = stored[start : start + frames].astype(np.uint32)
        half = (folded >> 1).view(np.int32)
        sign = (folded & 1).view(np.int32)
        np.negative(sign, out=sign)
        difference = np.bitwise_xor(half, sign, out=half)
        for frame in range(1, len(difference)):
            difference[frame] += difference[frame - 1]
        np.add(difference * step, neutral, out=values[start : start + frames], casting="same_kind")
    return values


def error_bound(values: np.ndarray) -> float:
    """The largest error of a decoded coordinate in mm: half a step and float32's own rounding."""
    largest = max(values.max(), -values.min()) + STEP
    return STEP / 2 + float(np.spacing(np.float32(largest))) / 2


def _steps(values: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(F, V, 3) int32: the displacement in steps.

    In float64: single precision would add 2 % of a step to the error at 100 mm.
    """
    displacement = np.subtract(values, neutral, dtype=np.float64)
    displacement *= 1 / STEP
    np.rint(displacement, out=displacement)
    largest = max(displacement.max(), -displacement.min())
    if not largest <= _LARGEST:
        raise ValueError(
            "vertices are not finite"
            if np.isnan(largest)
            else f"vertices {largest * STEP:.0f} mm away"
        )
    return displacement.astype(np.int32)


def _fold(steps: np.ndarray) -> np.ndarray:
    """Differences in time, then 0, -1, 1, -2, 2 ... -> 0, 1, 2, 3, 4 ... as uint32."""
    steps[1:] -= steps[:-1].copy()
    return ((steps << 1) ^ (steps >> 31)).view(np.uint32)
