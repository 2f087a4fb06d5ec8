"""Lossless coding of pictures of one neutral face: pixels equal to it take almost no space.

Green, red minus green and blue minus green are predicted one after the other, each pixel from its
neighbours above and to the left, either by themselves or as differences to the neutral picture,
whichever fitted better just before (Weinberger, Seroussi, Sapiro, "The LOCO-I lossless image
compression algorithm", 2000, for the median of three). Where nothing was changed the residual is 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.store.codec import Sliceable

ENCODING = "median-residual-to-base"
VERSION = 1  # of the encoding; readers refuse any other
CHUNKS = 64  # pictures per shard; each is a chunk by itself


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures to be stored: `values` (N, H, W, 3) uint8.

    `base` names the array of neutral pictures (P, H, W, 3) in the same store, themselves `Images`
    without a base, which are stored plainly, and `which` the array (N,) of integers with the
    neutral picture of each.
    """

    values: Sliceable
    base: str = ""
    which: str = ""

    def __post_init__(self) -> None:
        shape, dtype = tuple(self.values.shape), np.dtype(self.values.dtype)
        if len(shape) != 4 or shape[3] != 3 or 0 in shape[1:] or dtype != np.uint8:
            raise ValueError(f"pictures {shape} {dtype}: expected (N, H, W, 3) uint8")
        if bool(self.base) != bool(self.which):
            raise ValueError("base and which go together")


def describe(images: Images) -> dict[str, Any]:
    """The attributes from which any reader can decode."""
    return {
        "encoding": ENCODING,
        "encoding_version": VERSION,
        "base": images.base,
        "which": images.which,
        "axes": ["image", "plane", "row", "column"],
        "planes": ["green", "red minus green", "blue minus green"],
    }


def encode(values: NDArray[np.uint8], bases: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Residuals (N, 3, H, W) of pictures (N, H, W, 3) to their `bases`, of the same shape."""
    from affect4d.store import image_kernels

    count, height, width, _ = values.shape
    stored = np.empty((count, 3, height, width), np.uint8)
    pairs = zip(np.ascontiguousarray(values), np.ascontiguousarray(bases), strict=True)
    for number, (picture, base) in enumerate(pairs):
        image_kernels.to_residuals(picture, base, stored[number])
    return stored


def decode(stored: NDArray[np.uint8], bases: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `encode`."""
    from affect4d.store import image_kernels

    count, _, height, width = stored.shape
    values = np.empty((count, height, width, 3), np.uint8)
    pairs = zip(np.ascontiguousarray(stored), np.ascontiguousarray(bases), strict=True)
    for number, (residuals, base) in enumerate(pairs):
        image_kernels.from_residuals(residuals, base, values[number])
    return values
