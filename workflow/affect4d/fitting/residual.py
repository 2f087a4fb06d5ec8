"""What the model leaves unexplained at the landmarks, spread smoothly over the image.

The correction is the mean of a Gaussian process with a squared-exponential kernel (Rasmussen &
Williams 2006, eq. 2.23): it meets the inner landmarks, follows the jaw and the far side
loosely, and dies away from the face, where a thin-plate spline would grow without bound. The same
kind of process, predicting each landmark from all others (eq. 5.12), finds the wrong ones: what
the model leaves unexplained is smooth over the face, a mistake of the annotator is not.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.template.ibug68 import JAW

# Of the correction.
NODES = 10  # of the grid per length scale: see `_evaluate`
MAX_NODES = 1024  # along a side: landmarks of no face can ask for any number
MIN_FACING = 0.25  # cosine below which annotators guess where a point of the far side lies
MIN_CORRECTION = 0.01  # of the annotation's variance
# Of the process that predicts landmarks: its length scale is longer, its noise larger.
NEIGHBOURS_REACH = 0.5  # inter-ocular distances
INNER_NOISE, JAW_NOISE = 0.1, 0.5  # variance of a landmark over that of the process
MAX_REJECTED = 20  # landmarks; beyond, nothing says which are the right ones

Floats = NDArray[np.float64]


def gross_errors(
    modelled: NDArray[np.floating], landmarks: Floats, *, size: float, max_distance: float
) -> NDArray[np.bool_]:
    """Which landmarks lie far from where the others predict them, (68,).

    The worst one is removed first, and the others are predicted again without it.

    Parameters
    ----------
    modelled : (68, 2) pixels, the projected vertices that correspond to the landmarks
    landmarks : (68, 2) pixels
    size : pixels, the face's inter-ocular distance
    max_distance : of that distance, from the prediction by the other landmarks
    """
    noise = np.full(len(landmarks), INNER_NOISE)
    noise[JAW] = JAW_NOISE
    system = _kernel(modelled, modelled, NEIGHBOURS_REACH * size) + np.diag(noise)
    kept = np.arange(len(landmarks))
    for _ in range(MAX_REJECTED):
        inverse = np.linalg.inv(system[np.ix_(kept, kept)])
        difference = inverse @ (landmarks - modelled)[kept] / np.diag(inverse)[:, None]
        distance = np.linalg.norm(difference, axis=1)
        worst = distance.argmax()
        if distance[worst] <= max_distance * size:
            break
        kept = np.delete(kept, worst)
    return ~np.isin(np.arange(len(landmarks)), kept)


def noise_shares(residual: Floats, facing: Floats, *, size: float, settings: Settings) -> Floats:
    """Noise of each landmark, (68,): its variance over that of the correction.

    The correction's variance is that of the residual beyond the annotator's own error: where the
    model explains the landmarks to within that error, hardly anything is left to correct.

    Parameters
    ----------
    residual : (68, 2) pixels, landmarks less the vertices of the model; NaN where rejected
    facing : (68,), cosine between these vertices' normals and the direction to the viewer
    size : pixels, the face's inter-ocular distance
    settings : of the fitting
    """
    annotation = (settings.landmark_sd * size) ** 2
    correction = max(float(np.nanmean(residual**2)) - annotation, MIN_CORRECTION * annotation)
    share = max(annotation / correction, settings.residual_smoothing)
    guessed = facing < MIN_FACING
    guessed[JAW] = True
    return np.where(guessed, share / settings.jaw_weight, share)


def smooth_residual(
    projected: NDArray[np.floating],
    modelled: NDArray[np.floating],
    landmarks: Floats,
    *,
    noise: Floats,
    reach: float,
) -> NDArray[np.float32]:
    """Image-space offsets (V, 2) that carry the projected vertices onto the landmarks.

    Parameters
    ----------
    projected : (V, 2) pixels
    modelled : (L, 2) pixels, the projected vertices that correspond to the landmarks
    landmarks : (L, 2) pixels
    noise : (L,), see `noise_shares`
    reach : pixels, length scale of the correction
    """
    source = modelled.astype(np.float64)
    system = _kernel(source, source, reach) + np.diag(noise)
    weights = np.linalg.solve(system, landmarks - source).astype(np.float64)
    return _evaluate(projected, source, weights, reach=reach)


def _kernel(one: NDArray[np.floating], other: NDArray[np.floating], reach: float) -> Floats:
    """The kernel (L, M) of points (L, 2) and (M, 2) pixels."""
    squared = ((one[:, None].astype(np.float64) - other[None]) ** 2).sum(2)
    kernel: Floats = np.exp(-squared / (2 * reach**2))
    return kernel


def _evaluate(
    points: NDArray[np.floating], source: Floats, weights: Floats, *, reach: float
) -> NDArray[np.float32]:
    """The kernel sum at points (N, 2), bilinear between the nodes of a fine grid.

    On a grid the Gaussian kernel factors into its rows and columns. With `NODES` = 10 per length
    scale the interpolation is off by at most a four-hundredth of the sum of the weights.
    """
    left, top, right, bottom = _box(points)
    step = max(reach / NODES, max(right - left, bottom - top) / MAX_NODES)
    across = _line(left, right, source[:, 0], step=step, reach=reach)
    down = _line(top, bottom, source[:, 1], step=step, reach=reach)
    columns = weights.T[:, :, None].astype(np.float32) * across
    grid = np.ascontiguousarray(np.moveaxis(down.T @ columns, 0, 2))
    return _bilinear(points, grid, left, top, 1 / step)


def _line(
    first: float, last: float, centres: Floats, *, step: float, reach: float
) -> NDArray[np.float32]:
    """The kernel (L, n) along an axis, between nodes from `first` to beyond `last`."""
    nodes = first + step * np.arange(int((last - first) / step) + 2)
    kernel = np.exp(-((nodes - centres[:, None]) ** 2) / (2 * reach**2))
    return kernel.astype(np.float32)


@numba.njit(cache=True)
def _box(points: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Smallest x and y, largest x and y of points (N, 2)."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for i in range(len(points)):
        x, y = float(points[i, 0]), float(points[i, 1])
        left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
    return left, top, right, bottom


@numba.njit(cache=True)
def _bilinear(
    points: NDArray[np.floating],
    grid: NDArray[np.float32],
    left: float,
    top: float,
    density: float,
) -> NDArray[np.float32]:
    """Values (N, 2) at points (N, 2) of a grid (rows, columns, 2) with origin (left, top)."""
    values = np.empty((len(points), 2), dtype=np.float32)
    for i in range(len(points)):
        x, y = (points[i, 0] - left) * density, (points[i, 1] - top) * density
        column, row = int(x), int(y)
        x, y = np.float32(x - column), np.float32(y - row)
        for k in range(2):
            above = grid[row, column, k] + x * (grid[row, column + 1, k] - grid[row, column, k])
            below = grid[row + 1, column, k] + x * (
                grid[row + 1, column + 1, k] - grid[row + 1, column, k]
            )
            values[i, k] = above + y * (below - above)
    return values
