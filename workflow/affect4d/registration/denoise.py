"""Landmarks of a sequence, freed of the noise that differs from frame to frame.

A face's landmarks move in few ways, so the sequence's displacements are a low-rank matrix plus
noise. Singular values are kept, greatest first, while each exceeds what noise alone would have, of
the variance that those from it on leave. They keep their size: noise adds to it what it takes by
turning the directions, and 1 - beta / x^4 of the movement is left (x: its singular value, beta:
aspect ratio, both in that paper's units: Gavish & Donoho, IEEE Trans. Inf. Theory 2017). Their
optimal shrinkage, in the Frobenius or the operator norm, takes more, a third of the movement of six
frames in the former, and means over people stay as much too small. Time plays no part, so that no
apex is smoothed away; nor is one that stands out little from the noise, as the optimal threshold
would have it in a short sequence.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affect4d.registration.robust import Checked

# With fewer frames, half of the singular values may carry movement, and none shows the noise.
_MIN_FRAMES = 5
# Of those that most frames share; fewer do not register a face.
_MIN_LANDMARKS = 12
_MIN_NOISE = 1e-9  # mm: rounding is no movement


def denoise_landmarks(checks: Sequence[Checked]) -> list[Checked]:
    """Project a sequence's displacements on the few ways in which its landmarks move.

    Parameters
    ----------
    checks : in temporal order

    Returns
    -------
    With less noise, and one stiffness for all that goes with it. A landmark dropped in some frames
    is used where the other frames determine it.
    """
    frames = len(checks)
    if frames < _MIN_FRAMES:
        return list(checks)
    trusted = np.stack([check.keep for check in checks])
    filled = _interpolate(np.stack([check.displacement for check in checks]), trusted)
    known = trusted.sum(0) > frames / 2
    if known.sum() < _MIN_LANDMARKS:  # each frame marks other points
        return list(checks)
    marked = trusted.any(0)  # constant columns would pass for a matrix of less noise
    smooth = filled.copy()
    smooth[:, marked], rank = _low_rank(filled[:, marked])
    remaining = _remaining_noise(frames, 3 * int(marked.sum()), rank)
    stiffness = remaining * float(np.median([check.stiffness for check in checks]))
    return [
        replace(check, displacement=value, keep=known, stiffness=stiffness, of_sequence=True)
        for check, value in zip(checks, smooth, strict=True)
    ]


def _interpolate(values: NDArray[np.float64], trusted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Displacements (T, 68, 3) with those not trusted replaced along time."""
    filled = np.where(np.any(trusted, axis=0)[:, None], values, 0.0)  # not in the mark-up
    time = np.arange(len(values))
    for landmark in np.flatnonzero(~trusted.all(0) & trusted.any(0)):
        known = trusted[:, landmark]
        for axis in range(3):
            filled[~known, landmark, axis] = np.interp(
                time[~known], time[known], values[known, landmark, axis]
            )
    return filled


def _low_rank(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """The values (T, L, 3) without the singular values of noise, and how many remain."""
    matrix = values.reshape(len(values), -1)
    mean = matrix.mean(0)
    left, singular, right = np.linalg.svd(matrix - mean, full_matrices=False)
    rows, columns = len(values) - 1, matrix.shape[1]  # the mean took one of T away
    largest = np.sqrt(rows) + np.sqrt(columns)  # that noise of 1 mm has
    rank = 0
    while rank < min(rows, columns) - 1:  # the last shows the noise
        remaining = np.square(singular[rank:]).sum() / ((rows - rank) * (columns - rank))
        if singular[rank] <= max(np.sqrt(remaining), _MIN_NOISE) * largest:
            break
        rank += 1
    smooth = (left[:, :rank] * singular[:rank]) @ right[:rank] + mean
    return smooth.reshape(values.shape), rank


def _remaining_noise(frames: int, coordinates: int, rank: int) -> float:
    """Share of the variance of noise that a mean and a matrix of that rank keep, as many as they
    have parameters: the manifold of matrices of m x n and rank r has r (m + n - r) dimensions."""
    parameters = coordinates + rank * (frames - 1 + coordinates - rank)
    return parameters / (frames * coordinates)
