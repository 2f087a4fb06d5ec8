"""Landmarks of a sequence, freed of the noise that differs from frame to frame.

A face's landmarks move in few ways, so the sequence's displacements are a low-rank matrix plus
noise: singular values under the optimal hard threshold (Gavish & Donoho, IEEE Trans. Inf. Theory
2014) are noise. Time plays no part, so that no apex is smoothed away.
"""

from dataclasses import replace

import numpy as np

# With fewer frames, half of the singular values may carry movement, and none shows the noise.
_LEAST_FRAMES = 5
# A face is not registered by fewer landmarks that most frames share.
_LEAST_LANDMARKS = 12


def denoise(checks):
    """Project a sequence's displacements on the few ways in which its landmarks move.

    Parameters
    ----------
    checks : list of Checked, in temporal order

    Returns
    -------
    list of Checked
        With less noise, and one stiffness for all that goes with it. A landmark dropped in some
        frames is used where the others tell where it is.
    """
    frames = len(checks)
    if frames < _LEAST_FRAMES:
        return list(checks)
    trusted = np.stack([check.keep for check in checks])
    filled = _interpolate(np.stack([check.displacement for check in checks]), trusted)
    smooth, rank = _low_rank(filled)
    known = trusted.sum(0) > frames / 2
    if known.sum() < _LEAST_LANDMARKS:  # each frame marks other points
        return list(checks)
    # The mean and each way of moving keep 1 / frames of the noise's variance.
    left = (1 + rank) / frames
    stiffness = left * float(np.median([check.stiffness for check in checks]))
    return [
        replace(check, displacement=value, keep=known, stiffness=stiffness)
        for check, value in zip(checks, smooth, strict=True)
    ]


def _interpolate(values, trusted):
    """Displacements (T, 68, 3) with those not trusted replaced along time."""
    filled = np.where(trusted.any(0)[:, None], values, 0.0)  # not in the mark-up
    time = np.arange(len(values))
    for landmark in np.flatnonzero(~trusted.all(0) & trusted.any(0)):
        known = trusted[:, landmark]
        for axis in range(3):
            filled[~known, landmark, axis] = np.interp(
                time[~known], time[known], values[known, landmark, axis]
            )
    return filled


def _low_rank(values):
    """The values (T, 68, 3) without the singular values that are noise, and how many remain."""
    matrix = values.reshape(len(values), -1)
    mean = matrix.mean(0)
    left, singular, right = np.linalg.svd(matrix - mean, full_matrices=False)
    beta = min(matrix.shape) / max(matrix.shape)
    omega = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    signal = singular > omega * np.median(singular[:-1])  # the mean took one away
    smooth = (left[:, signal] * singular[signal]) @ right[signal] + mean
    return smooth.reshape(values.shape), int(signal.sum())
