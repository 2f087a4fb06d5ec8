"""The loops of the vertex codec, one pass over the data each; import it only where they run.

Frames are flat, (T, N) with N = 3 V. The running sum restarts every `frames` frames.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_loop = numba.njit(cache=True, nogil=True, error_model="numpy")


@_loop
def fold(
    values: NDArray[np.floating],
    neutral: NDArray[np.float32],
    steps_per_mm: float,
    limit: float,
    frames: int,
    folded: NDArray[np.unsignedinteger],
) -> tuple[np.uint32, bool]:
    """Fill `folded` (T, N) from `values` (T, N) and `neutral` (N,) mm.

    Returns the bits set in any folded number, and whether a displacement is not finite or above
    `limit` steps (then the numbers mean nothing).
    """
    before = np.zeros(len(neutral), np.int32)
    bits = np.uint32(0)
    outside = False
    for t in range(len(values)):
        if t % frames == 0:
            before[:] = 0
        for i in range(len(neutral)):
            # In float64: single precision would add 2 % of a step to the error at 100 mm.
            displacement = (np.float64(values[t, i]) - np.float64(neutral[i])) * steps_per_mm
            outside |= not (abs(displacement) <= limit)
            here = np.int32(np.rint(displacement))
            difference = np.int32(here - before[i])
            before[i] = here
            number = np.uint32((difference << np.int32(1)) ^ (difference >> np.int32(31)))
            bits |= number
            folded[t, i] = number
    return bits, outside


@_loop
def unfold(
    folded: NDArray[np.unsignedinteger],
    neutral: NDArray[np.float32],
    step: float,
    frames: int,
    target: NDArray[np.int64],
    values: NDArray[np.float32],
) -> None:
    """Fill row `target[t]` of `values` (R, N) mm from frame t; none where `target[t]` is -1."""
    now = np.zeros(len(neutral), np.int32)
    for t in range(len(folded)):
        if t % frames == 0:
            now[:] = 0
        row = target[t]
        if row < 0:
            for i in range(len(neutral)):
                now[i] += _difference(folded[t, i])
        else:
            for i in range(len(neutral)):
                now[i] += _difference(folded[t, i])
                values[row, i] = _coordinate(now[i], step, neutral[i])


@_loop
def deviates(
    folded: NDArray[np.unsignedinteger],
    neutral: NDArray[np.float32],
    step: float,
    frames: int,
    values: NDArray[np.floating],
    bound: float,
) -> bool:
    """Whether a coordinate decoded from `folded` is not within `bound` mm of its `values`."""
    now = np.zeros(len(neutral), np.int32)
    outside = False
    for t in range(len(folded)):
        if t % frames == 0:
            now[:] = 0
        for i in range(len(neutral)):
            now[i] += _difference(folded[t, i])
            error = np.float64(_coordinate(now[i], step, neutral[i])) - np.float64(values[t, i])
            outside |= not (abs(error) <= bound)
    return outside


@numba.njit(cache=True, nogil=True, inline="always")
def _difference(number: np.integer) -> np.int32:
    """0, 1, 2, 3, 4 ... -> 0, -1, 1, -2, 2 ..."""
    number = np.uint32(number)
    return np.int32(number >> np.uint32(1)) ^ -np.int32(number & np.uint32(1))


@numba.njit(cache=True, nogil=True, inline="always")
def _coordinate(steps: np.int32, step: float, neutral: np.float32) -> np.float32:
    return np.float32(np.float64(steps) * step + np.float64(neutral))
