"""Vertex sequences as small integers: 10 um steps of the displacement from the neutral face.

Within each chunk of eight frames the first holds its displacement and every other the difference
to the frame before it, zigzag-folded to unsigned integers (Protocol Buffers' `sint` mapping), so
that a chunk decodes by itself and small motions of either sign become small numbers.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

STEP = 0.01  # mm: small beside the .1 mm noise of scanners
FRAMES = 8  # per chunk, all of which are decoded to read one
ENCODING = "zigzag-time-difference"
VERSION = 1  # of the encoding; readers refuse any other

# mm, beyond any face; up to here, with float32's own rounding added, a decoded vertex is less than
# .01 mm from the original, and the differences fit 32 bits.
_MAX_DISTANCE = 5000.0

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Unsigned: TypeAlias = NDArray[np.uint16] | NDArray[np.uint32]


class Sliceable(Protocol):
    """An array, or what is sliced like one: Zarr's, or a store's."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def dtype(self) -> Any: ...  # noqa: D102

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class Vertices:
    """A sequence to be stored quantised: `values` (T, V, 3) mm and the `neutral` face (V, 3) mm.

    `values` is read by slices, so that a sequence need not be in memory.
    """

    values: Sliceable
    neutral: Floats

    def __post_init__(self) -> None:
        values, neutral = tuple(self.values.shape), np.shape(self.neutral)
        if len(values) != 3 or values[2] != 3 or 0 in values or neutral != values[1:]:
            raise ValueError(
                f"vertices {values} and neutral {neutral}: expected (T, V, 3) and (V, 3)"
            )


def describe(neutral: str) -> dict[str, Any]:
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


def encode(values: Floats, neutral: Floats, dtype: type[np.uint16] | type[np.uint32]) -> Unsigned:
    """Quantise frames (T, V, 3) mm; the first of them starts a chunk.

    Raises
    ------
    OverflowError
        Two frames of a chunk are too far apart for the type.
    ValueError
        A coordinate is not finite or more than 5 m from the neutral face, or a neutral one more
        than 5 m from the origin.
    """
    from affect4d.store import kernels

    face = _flat(neutral)
    if not (np.abs(face) <= _MAX_DISTANCE).all():
        raise ValueError("the neutral face is not finite, or more than 5 m away from the origin")
    stored: NDArray[Any] = np.empty(values.shape, dtype)
    bits, outside = kernels.fold(
        _coordinates(values), face, 1 / STEP, _MAX_DISTANCE / STEP, FRAMES, _rows(stored)
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
    stored: Unsigned,
    neutral: Floats,
    *,
    step: float = STEP,
    frames: int = FRAMES,
    rows: NDArray[np.int64] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The inverse of `encode`: (T, V, 3) mm; `stored` starts where a chunk starts.

    Parameters
    ----------
    stored : (T, V, 3)
    neutral : (V, 3) mm
    step : mm
    frames : number of frames per chunk
    rows : the frames of `stored` to decode, each once; all by default
    out : receives the result, (len(rows), V, 3) mm, contiguous
    """
    from affect4d.store import kernels

    rows = np.arange(len(stored)) if rows is None else rows
    values = np.empty((len(rows), *stored.shape[1:]), np.float32) if out is None else out
    target = np.full(len(stored), -1)
    target[rows] = np.arange(len(rows))
    kernels.unfold(_rows(stored), _flat(neutral), step, frames, target, _rows(values))
    return values


def is_within_bound(stored: Unsigned, neutral: Floats, values: Floats) -> bool:
    """Whether each coordinate of `values` (T, V, 3) mm decodes within its error bound."""
    from affect4d.store import kernels

    return not kernels.deviates(
        _rows(stored), _flat(neutral), STEP, FRAMES, _coordinates(values), error_bound(values)
    )


def error_bound(values: Floats) -> float:
    """The largest error of a decoded coordinate in mm: half a step and float32's own rounding."""
    largest = max(values.max(), -values.min()) + STEP
    return STEP / 2 + float(np.spacing(np.float32(largest))) / 2


def _rows(frames: NDArray[Any]) -> NDArray[Any]:
    """(T, V, 3) as (T, 3 V), a view wherever the memory allows."""
    return np.ascontiguousarray(frames).reshape(len(frames), 3 * frames.shape[1])


def _coordinates(values: Floats) -> Floats:
    """The frames (T, 3 V) in one of the two types for which the loops are compiled."""
    return _rows(values if values.dtype == np.float32 else values.astype(np.float64))


def _flat(neutral: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(neutral, np.float32).reshape(-1)
