"""Places beside the lids of an eye, whose lines are smooth through its landmarks."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UPPER, LOWER = (0, 1, 2, 3), (0, 5, 4, 3)  # of an outline, corner to corner
LEAST_STEP_PX = 1e-3  # between landmarks along a lid, which a curve needs in order


@numba.njit(cache=True)
def beside_lids(outline: Floats, height: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Of pixels beside the lids of an outline (6, 2).

    Returns
    -------
    place : (h, w), 0 to 1 from corner to corner
    below, above : (h, w), pixels from the upper and from the lower lid, positive between them
    """
    right, down = outline[3, 0] - outline[0, 0], outline[3, 1] - outline[0, 1]
    length = max(np.sqrt(right * right + down * down), np.float32(LEAST_STEP_PX))
    ux, uy = right / length, down / length
    knots, slopes = lid_knots(outline, ux, uy)
    place, below, above = np.empty((3, height, width), np.float32)
    for j in range(height):
        for i in range(width):
            dx, dy = np.float32(i) - outline[0, 0], np.float32(j) - outline[0, 1]
            along, across = dx * ux + dy * uy, dy * ux - dx * uy
            place[j, i] = along / length
            below[j, i] = across - height_at(along, knots[0], slopes[0])
            above[j, i] = height_at(along, knots[1], slopes[1]) - across
    return place, below, above


@numba.njit(cache=True)
def lid_knots(outline: Floats, ux: np.float32, uy: np.float32) -> tuple[Floats, Floats]:
    """Of both lids' lines, places (2, 4, 2) along and across the eye, and slopes there (2, 4).

    Slopes make cubics monotone between the landmarks (Fritsch & Butland, SIAM J. Sci. Stat.
    Comput. 1984).
    """
    knots, slopes = np.empty((2, 4, 2), np.float32), np.zeros((2, 4), np.float32)
    for lid in range(2):
        for k in range(4):
            mark = UPPER[k] if lid == 0 else LOWER[k]
            dx, dy = outline[mark, 0] - outline[0, 0], outline[mark, 1] - outline[0, 1]
            knots[lid, k, 0], knots[lid, k, 1] = dx * ux + dy * uy, dy * ux - dx * uy
            if k:  # landmarks in order
                least = knots[lid, k - 1, 0] + np.float32(LEAST_STEP_PX)
                knots[lid, k, 0] = max(knots[lid, k, 0], least)
        steep = (knots[lid, 1:, 1] - knots[lid, :-1, 1]) / (knots[lid, 1:, 0] - knots[lid, :-1, 0])
        slopes[lid, 0], slopes[lid, 3] = steep[0], steep[2]
        for k in range(1, 3):
            if steep[k - 1] * steep[k] > 0:
                slopes[lid, k] = 2 * steep[k - 1] * steep[k] / (steep[k - 1] + steep[k])
    return knots, slopes


@numba.njit(cache=True)
def height_at(along: np.float32, knots: Floats, slopes: Floats) -> np.float32:
    """Height of a line over a place along it: cubic between knots (4, 2) with slopes (4,)."""
    k = 0
    while k < 2 and along > knots[k + 1, 0]:
        k += 1
    span = knots[k + 1, 0] - knots[k, 0]
    t = min(max((along - knots[k, 0]) / span, np.float32(0)), np.float32(1))
    value = (1 + 2 * t) * (1 - t) ** 2 * knots[k, 1] + t * (1 - t) ** 2 * span * slopes[k]
    value += t * t * (3 - 2 * t) * knots[k + 1, 1] + t * t * (t - 1) * span * slopes[k + 1]
    return np.float32(value)
