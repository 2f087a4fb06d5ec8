"""Where the fit starts: cameras by the linear scaled-orthographic method, robustly.

POS (DeMenthon & Davis, IJCV 1995) without the iterations for perspective, on the affine camera of
least absolute deviations, found by iteratively reweighted least squares: unlike least squares it
does not bend towards a few landmarks that lie anywhere (Huber & Ronchetti 2009, section 7.8).
"""

import numpy as np

from affect4d.fitting.camera import Camera

ROUNDS = 12
LEAST = 0.02  # of the median deviation: closer ones weigh no more than this one


def initial_cameras(points, landmarks, rounds=ROUNDS):
    """Weak-perspective cameras from corresponding points.

    Parameters
    ----------
    points : (P, 3) array, mm
    landmarks : (N, P, 2) array, pixels
    rounds : int, of reweighting; 0 gives least squares

    Returns
    -------
    Camera, a stack of N
    """
    middle = points.mean(0)
    known = np.concatenate([points - middle, np.ones((len(points), 1))], axis=1)
    weights = np.ones(landmarks.shape[:2])
    for left in range(rounds, -1, -1):
        weighted = known.T * weights[:, None]
        affine = np.linalg.solve(weighted @ known, weighted @ landmarks)
        if left:
            deviation = np.linalg.norm(known @ affine - landmarks, axis=2)
            least = LEAST * np.median(deviation, axis=1, keepdims=True) + 1e-9
            weights = 1 / np.maximum(deviation, least)
    rows = np.swapaxes(affine[:, :3], 1, 2) * [[1.0], [-1.0]]
    u, singular, vt = np.linalg.svd(rows, full_matrices=False)
    two = u @ vt
    rotation = np.concatenate([two, np.cross(two[:, 0], two[:, 1])[:, None]], axis=1)
    scale = singular.mean(1)
    shift = affine[:, 3] - scale[:, None] * (rotation @ middle)[:, :2] * [1.0, -1.0]
    return Camera(scale, rotation, shift, np.zeros_like(shift), np.zeros_like(scale))
