"""The cameras that the fit starts from: by the linear scaled-orthographic method, robustly.

POS (DeMenthon & Davis, IJCV 1995) without the iterations for perspective, on the affine camera of
least absolute deviations, computed by iteratively reweighted least squares: unlike least squares it
is not drawn to a few landmarks that lie anywhere (Huber & Ronchetti 2009, section 7.8).
"""

import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.camera import Camera

REWEIGHTINGS = 12  # of least squares, by which the deviations have converged on faces
MIN_DEVIATION = 0.02  # of the median deviation: closer ones weigh no more than this one
MIN_DEVIATION_PX = 1e-9  # so that exact landmarks divide by no zero


def initial_cameras(
    points: NDArray[np.float64], landmarks: NDArray[np.float64], rounds: int = REWEIGHTINGS
) -> Camera:
    """Weak-perspective cameras from corresponding points.

    Parameters
    ----------
    points : (P, 3) mm
    landmarks : (N, P, 2) pixels
    rounds : of reweighting; 0 gives least squares

    Returns
    -------
    A stack of N.
    """
    middle = points.mean(0)
    known = np.concatenate([points - middle, np.ones((len(points), 1))], axis=1)
    weights = np.ones(landmarks.shape[:2])
    for remaining in range(rounds, -1, -1):
        weighted = known.T * weights[:, None]
        affine = np.linalg.solve(weighted @ known, weighted @ landmarks)
        if remaining:
            deviation = np.linalg.norm(known @ affine - landmarks, axis=2)
            median = np.median(deviation, axis=1, keepdims=True)
            weights = 1 / np.maximum(deviation, MIN_DEVIATION * median + MIN_DEVIATION_PX)
    rows = np.swapaxes(affine[:, :3], 1, 2) * [[1.0], [-1.0]]
    u, singular, vt = np.linalg.svd(rows, full_matrices=False)
    right_up = u @ vt
    ahead = np.cross(right_up[:, 0], right_up[:, 1])
    rotation = np.concatenate([right_up, ahead[:, None]], axis=1)
    scale = singular.mean(1)
    shift = affine[:, 3] - scale[:, None] * (rotation @ middle)[:, :2] * [1.0, -1.0]
    return Camera(scale, rotation, shift, np.zeros_like(shift), np.zeros_like(scale))
