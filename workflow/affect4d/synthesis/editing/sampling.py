"""A photograph sampled through the maps of its edits.

The photograph is kept with cubic samples halfway between its own, between which linear
interpolation will do. A sample is one word of four bytes, red, green, blue and nothing, so that
words of two bytes each mix two colours at a time. Pixels that nothing moves are copied.
"""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint32]

FINER = 2  # samples per pixel of the finer copy, along either axis
BITS = 4  # of a position between two samples
PARTS = 1 << BITS  # between samples: 32 per pixel, as of cv2.remap
HALFWAY = np.array([-3, 19, 19, -3]) / 32  # Keys' cubic with a = -.75, as of cv2.INTER_CUBIC
LANES = 0x00FF00FF  # every other byte of a word, each with space for a sum of weights of 256
HALVES = 0x00800080  # half of 256 in each


class Sampler:
    """What the maps of one photograph's edits sample.

    Parameters
    ----------
    image : (H, W, 3)
    far : (H, W), pixels that no map moves
    """

    def __init__(self, image: NDArray[np.uint8], far: NDArray[np.bool_]) -> None:
        self._image = _words(image)
        self.finer = _finer(self._image)
        self._spans = _spans(~far)

    def sample(self, source: Floats) -> NDArray[np.uint8]:
        """The photograph through a map: (H, W, 3).

        Parameters
        ----------
        source : (H, W, 2), pixels of the photograph (x, y), within it
        """
        words = self._image.copy()
        _sample(self.finer, source, self._spans, words)
        return np.asarray(cv2.cvtColor(as_bytes(words), cv2.COLOR_RGBA2RGB), np.uint8)


def remap(image: NDArray[np.uint8], source: Floats) -> NDArray[np.uint8]:
    """A picture through a map (H, W, 2), pixels, cubic; beyond its edge the edge is repeated."""
    # in 32nds of a sample, which takes two thirds of the time that floating point does
    pixels, fractions = cv2.convertMaps(source, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    sampled = cv2.remap(image, pixels, fractions, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.uint8)


def _words(image: NDArray[np.uint8]) -> Words:
    """A picture (H, W, 3) as one word per pixel: (H, W)."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]


def as_bytes(words: Words) -> NDArray[np.uint8]:
    """Words (H, W) as four bytes per pixel: (H, W, 4)."""
    return words.view(np.uint8).reshape(*words.shape, 4)


def _spans(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(H, 2), of each row the first column of a mask and the one after its last."""
    first, last = mask.argmax(1), mask.shape[1] - mask[:, ::-1].argmax(1)
    return np.where(mask.any(1, keepdims=True), np.stack([first, last], axis=1), 0)


def _finer(words: Words) -> Words:
    """A picture (H, W) of words with samples halfway between its own, cubic: (2 H, 2 W)."""
    height, width = words.shape
    finer, colours = np.empty((FINER * height, FINER * width), np.uint32), as_bytes(words)
    finer[::FINER, ::FINER] = words
    for down, across in ((0, 1), (1, 0), (1, 1)):
        rows, columns = (HALFWAY if way else np.ones(1) for way in (across, down))
        between = cv2.sepFilter2D(
            colours, -1, rows, columns, anchor=(across, down), borderType=cv2.BORDER_REPLICATE
        )
        finer[down::FINER, across::FINER] = between.view(np.uint32)[..., 0]
    return finer


@numba.njit(cache=True)
def _sample(finer: Words, source: Floats, spans: NDArray[np.int64], words: Words) -> None:
    """Words (H, W) in place, within each row's span: bilinear samples of the finer copy.

    One loop each, so that they use vector instructions: where samples lie, their neighbours, their
    mixture.
    """
    height, width, _ = source.shape
    positions, flat, columns = (
        source.reshape(height, -1),
        finer.reshape(-1),
        np.int32(finer.shape[1]),
    )
    last = np.int32(len(flat) - columns - 2)
    scale, half, whole = np.float32(PARTS * FINER), np.float32(0.5), np.uint32(PARTS * PARTS)
    parts, low = np.uint32(PARTS), np.uint32(PARTS - 1)
    lanes, halves, byte = np.uint32(LANES), np.uint32(HALVES), np.uint32(8)
    right, below = np.uintp(1), np.uintp(finer.shape[1])
    at, near = np.empty(2 * width, np.int32), np.empty(width, np.int32)
    first, second = np.empty(width, np.uint32), np.empty(width, np.uint32)
    third, fourth = np.empty(width, np.uint32), np.empty(width, np.uint32)
    for j in range(height):
        start, stop = spans[j]
        row, out = positions[j, 2 * start : 2 * stop], words[j, start:stop]
        for n in range(len(row)):
            at[n] = np.int32(row[n] * scale + half)
        for i in range(len(out)):
            number = (at[2 * i + 1] >> BITS) * columns + (at[2 * i] >> BITS)
            near[i] = min(max(number, np.int32(0)), last)  # no map reads beyond the photograph
        for i in range(len(out)):
            k = np.uintp(near[i])  # without a sign, for no negative indices
            first[i], second[i] = flat[k], flat[k + right]
            third[i], fourth[i] = flat[k + below], flat[k + below + right]
        for i in range(len(out)):
            a, b = np.uint32(at[2 * i]) & low, np.uint32(at[2 * i + 1]) & low
            s = a * b
            q, r = parts * a - s, parts * b - s
            p = whole - parts * a - r
            e, f, g, h = first[i], second[i], third[i], fourth[i]
            even = (e & lanes) * p + (f & lanes) * q + (g & lanes) * r + (h & lanes) * s + halves
            e, f, g, h = e >> byte, f >> byte, g >> byte, h >> byte
            odd = (e & lanes) * p + (f & lanes) * q + (g & lanes) * r + (h & lanes) * s + halves
            out[i] = ((even >> byte) & lanes) | (odd & ~lanes)
