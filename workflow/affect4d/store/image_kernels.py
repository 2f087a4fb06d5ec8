"""The loops of the picture codec, one pass over the pixels; import it only where they run.

Planes are (H + 1, W + 1) with a row and a column of zeros before the first, so that the border
needs no rule of its own.
"""

from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

_loop = numba.njit(cache=True, nogil=True)
_inline = numba.njit(cache=True, nogil=True, inline="always")
Bytes: TypeAlias = NDArray[np.uint8]
Plane: TypeAlias = NDArray[np.int32]

# Green is 0 to 255; the two differences are taken modulo 256, from -128 on.
_LOWEST = (0, -128, -128)


@_loop
def to_residuals(picture: Bytes, base: Bytes, residuals: Bytes) -> None:
    """Fill `residuals` (3, H, W) from `picture` and `base` (H, W, 3)."""
    _, height, width = residuals.shape
    values = np.zeros((height + 1, width + 1), np.int32)
    below = np.zeros((height + 1, width + 1), np.int32)
    for plane in range(3):
        _split(picture, plane, values)
        _split(base, plane, below)
        _code(values, below, _LOWEST[plane], residuals[plane], False)


@_loop
def from_residuals(residuals: Bytes, base: Bytes, picture: Bytes) -> None:
    """Fill `picture` (H, W, 3) from `residuals` (3, H, W) and `base` (H, W, 3)."""
    _, height, width = residuals.shape
    below = np.zeros((height + 1, width + 1), np.int32)
    values = np.zeros((3, height + 1, width + 1), np.int32)
    for plane in range(3):
        _split(base, plane, below)
        _code(values[plane], below, _LOWEST[plane], residuals[plane], True)
    for y in range(height):
        for x in range(width):
            green = values[0, y + 1, x + 1]
            picture[y, x, 0] = (values[1, y + 1, x + 1] + green) & 255
            picture[y, x, 1] = green
            picture[y, x, 2] = (values[2, y + 1, x + 1] + green) & 255


@_loop
def _split(picture: Bytes, plane: int, values: Plane) -> None:
    """Fill all but the first row and column of `values` with a plane of a picture."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            green = np.int32(picture[y, x, 1])
            if plane == 0:
                values[y + 1, x + 1] = green
            else:
                colour = np.int32(picture[y, x, 0 if plane == 1 else 2])
                values[y + 1, x + 1] = ((colour - green + 128) & 255) - 128


@_loop
def _code(values: Plane, below: Plane, lowest: int, residuals: Bytes, decoding: bool) -> None:
    """Fill `residuals` from `values`, or the other way round, pixel by pixel."""
    height, width = residuals.shape
    # Error of the prediction from the base less that from the neighbours: this row, the one above.
    excess = np.zeros((2, width + 2), np.int32)
    for y in range(1, height + 1):
        here, above = excess[y & 1], excess[1 - (y & 1)]
        for x in range(1, width + 1):
            west, north = values[y, x - 1], values[y - 1, x]
            corner = values[y - 1, x - 1]
            plain = _median(west, north, corner)
            relative = below[y, x] + _median(
                west - below[y, x - 1], north - below[y - 1, x], corner - below[y - 1, x - 1]
            )
            preference = 2 * here[x - 1] + above[x - 1] + above[x] + above[x + 1]
            predicted = plain if preference > 0 else relative
            if decoding:
                number = np.int32(residuals[y - 1, x - 1])
                residual = (number >> 1) ^ -(number & 1)
                values[y, x] = ((predicted + residual - lowest) & 255) + lowest
            else:
                residual = ((values[y, x] - predicted + 128) & 255) - 128
                residuals[y - 1, x - 1] = ((residual << 1) ^ (residual >> 31)) & 255
            here[x] = abs(values[y, x] - relative) - abs(values[y, x] - plain)


@_inline
def _median(west: np.int32, north: np.int32, corner: np.int32) -> np.int32:
    """The median of west, north and west + north - corner."""
    # without a branch, which would rarely be predicted
    return max(min(west, north), min(max(west, north), west + north - corner))
