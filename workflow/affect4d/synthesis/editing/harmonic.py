"""Harmonic extension on the pixel grid by a cascade of grids.

Serves both the map's smooth extension beyond the face and the Poisson blend, which amounts to
a harmonic interpolation of the difference along the mask's edge (Perez et al., SIGGRAPH 2003).
The cascade (each grid starts from the coarser one's solution and is relaxed a few times;
Bornemann & Deuflhard, 1996) needs no factor, so that the mask may differ for every image.
"""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

ITERATIONS = 8  # of Gauss-Seidel, on each grid
FINEST_ITERATIONS = 4  # the coarser grids leave it little to smooth
COARSEST_ITERATIONS = 64  # there they cost next to nothing
COARSEST = 4  # pixels, the shorter side of the coarsest grid
BAND = 8  # pixels of each grid around known ones in which it is relaxed


def extend(values: Floats, known: Bools) -> Floats:
    """Fill unknown pixels harmonically; the image's border is free.

    Parameters
    ----------
    values : (H, W, C)
    known : (H, W), pixels that keep their value

    Returns
    -------
    (H, W, C); zero everywhere when nothing is known
    """
    return HarmonicExtension(known)(values)


class HarmonicExtension:
    """The harmonic extension of any number of fields from known pixels (H, W)."""

    def __init__(self, known: Bools) -> None:
        masks = [np.ascontiguousarray(known)]
        while min(masks[-1].shape) > COARSEST and not masks[-1].all():
            masks.append(_coarser(masks[-1]))
        self._levels = [(mask, np.argwhere(_to_relax(mask)).astype(np.int32)) for mask in masks]

    def __call__(self, values: Floats) -> Floats:
        """Fields (H, W, C) with the unknown pixels filled, as by `extend`."""
        grids = [np.ascontiguousarray(values, dtype=np.float32)]
        for known, _ in self._levels[:-1]:
            grids.append(_coarsen(grids[-1], known))
        known, unknown = self._levels[-1]
        coarsest = grids.pop()
        mean = coarsest[known].sum(0) / np.float32(max(int(known.sum()), 1))
        guess: Floats = np.zeros_like(coarsest) + mean
        _relax(guess, coarsest, known, unknown, COARSEST_ITERATIONS)
        for level, grid in reversed(list(enumerate(grids))):
            known, unknown = self._levels[level]
            guess = _refine(guess, *known.shape)
            iterations = ITERATIONS if level else FINEST_ITERATIONS
            _relax(guess, grid, known, unknown, iterations)
        return guess


def _to_relax(known: Bools) -> Bools:
    """Unknown pixels near known ones; the deeper ones are smooth enough for the coarser grid."""
    if min(known.shape) <= COARSEST:
        return ~known
    depth = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(~known & (depth <= BAND))


def _coarser(known: Bools) -> Bools:
    """Blocks of 2 x 2 pixels of which one is known."""
    rows, columns = ((size + 1) // 2 for size in known.shape)
    padded = np.zeros((2 * rows, 2 * columns), dtype=bool)
    padded[: known.shape[0], : known.shape[1]] = known
    return np.asarray(padded.reshape(rows, 2, columns, 2).any((1, 3)))


@numba.njit(cache=True)
def _coarsen(values: Floats, known: Bools) -> Floats:
    """Mean of the known pixels of each 2 x 2 block, zero for a block without any."""
    height, width, channels = values.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    means = np.zeros((rows, columns, channels), dtype=np.float32)
    for r in range(rows):
        for c in range(columns):
            count = 0
            for j in range(2 * r, min(2 * r + 2, height)):
                for i in range(2 * c, min(2 * c + 2, width)):
                    if known[j, i]:
                        count += 1
                        for k in range(channels):
                            means[r, c, k] += values[j, i, k]
            if count > 0:
                for k in range(channels):
                    means[r, c, k] /= count
    return means


@numba.njit(cache=True)
def _refine(coarse: Floats, height: int, width: int) -> Floats:
    """Bilinear interpolation of a coarse grid at the centres of the finer one."""
    rows, columns, channels = coarse.shape
    fine = np.empty((height, width, channels), dtype=np.float32)
    for j in range(height):
        y = min(max((j - 0.5) / 2, 0.0), rows - 1.0)
        r0 = int(y)
        r1, b = min(r0 + 1, rows - 1), np.float32(y - r0)
        for i in range(width):
            x = min(max((i - 0.5) / 2, 0.0), columns - 1.0)
            c0 = int(x)
            c1, a = min(c0 + 1, columns - 1), np.float32(x - c0)
            for k in range(channels):
                upper = coarse[r0, c0, k] * (1 - a) + coarse[r0, c1, k] * a
                lower = coarse[r1, c0, k] * (1 - a) + coarse[r1, c1, k] * a
                fine[j, i, k] = upper * (1 - b) + lower * b
    return fine


@numba.njit(cache=True)
def _relax(guess: Floats, values: Floats, known: Bools, unknown: Ints, iterations: int) -> None:
    """Gauss-Seidel iterations over the unknown pixels, in place; known pixels are set first."""
    height, width, channels = guess.shape
    for j in range(height):
        for i in range(width):
            if known[j, i]:
                for k in range(channels):
                    guess[j, i, k] = values[j, i, k]
    for iteration in range(iterations):
        for step in range(len(unknown)):
            n = step if iteration % 2 == 0 else len(unknown) - 1 - step
            j, i = unknown[n, 0], unknown[n, 1]
            up, down = max(j - 1, 0), min(j + 1, height - 1)
            left, right = max(i - 1, 0), min(i + 1, width - 1)
            for k in range(channels):
                guess[j, i, k] = np.float32(0.25) * (
                    guess[up, i, k] + guess[down, i, k] + guess[j, left, k] + guess[j, right, k]
                )
