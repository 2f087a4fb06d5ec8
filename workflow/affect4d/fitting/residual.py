"""What the model leaves unexplained at the landmarks, spread smoothly over the image.

The correction is the mean of a Gaussian process with a squared-exponential kernel (Rasmussen &
Williams 2006, eq. 2.23): it meets the inner landmarks, follows the jaw and the far side
loosely, and dies away from the face, where a thin-plate spline would grow without bound.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from affect4d.fitting.contour import JAW
from affect4d.fitting.quality import inter_ocular

NODES = 16
GRAZING = 0.25  # cosine below which annotators guess where a point of the far side lies


def smooth_residual(projected, modelled, facing, landmarks, settings):
    """Image-space offsets (V, 2) float32 that carry the projected vertices onto the landmarks.

    Parameters
    ----------
    projected : (V, 2) pixels
    modelled : (68, 2) pixels, the projected vertices that stand for the landmarks
    facing : (68,), cosine between their normals and the direction to the viewer
    landmarks : (68, 2) pixels
    settings : affect4d.config.fitting.Settings
    """
    noise = np.full(len(landmarks), settings.residual_smoothing)
    noise[:JAW] = settings.jaw_smoothing
    noise[facing < GRAZING] = settings.jaw_smoothing
    reach = settings.residual_reach * inter_ocular(landmarks)
    source = modelled.astype(np.float64)
    squared = ((source[:, None] - source[None]) ** 2).sum(2)
    kernel = np.exp(-squared / (2 * reach**2))
    weights = np.linalg.solve(kernel + np.diag(noise), landmarks - source)
    return _evaluate(projected.astype(np.float64), source, weights, reach)


def _evaluate(points, source, weights, reach):
    """The kernel sum at points (N, 2), bilinear between the nodes of a fine grid.

    On a grid the Gaussian kernel factors into its rows and columns. With 16 nodes a length scale
    the interpolation is off by less than a thousandth of the largest offset.
    """
    step = reach / NODES
    low = points.min(0)
    counts = np.ceil((points.max(0) - low) / step).astype(int) + 2
    across, down = (
        np.exp(
            -((low[k] + step * np.arange(counts[k])[:, None] - source[:, k]) ** 2) / (2 * reach**2)
        )
        for k in range(2)
    )
    places = ((points - low) / step).T[::-1]
    offsets = [
        map_coordinates((down * weights[:, k]) @ across.T, places, order=1) for k in range(2)
    ]
    return np.stack(offsets, axis=1).astype(np.float32)
