"""What the model leaves unexplained at the landmarks, spread smoothly over the image.

The correction is the mean of a Gaussian process with a squared-exponential kernel (Rasmussen &
Williams 2006, eq. 2.23): it meets the inner landmarks, follows the jaw and the far side
loosely, and dies away from the face, where a thin-plate spline would grow without bound. The same
kind of process, predicting each landmark from all others (eq. 5.12), finds the wrong ones: what
the model leaves unexplained is smooth over the face, a mistake of the annotator is not.
"""

import numba
import numpy as np

from affect4d.template.ibug68 import JAW

NODES = 10
MOST_NODES = 1024  # along a side: landmarks of no face can ask for any number
GRAZING = 0.25  # cosine below which annotators guess where a point of the far side lies
LEAST_CORRECTION = 0.01  # of the annotation's variance
# Of the process that predicts landmarks: it looks farther and believes each less.
NEIGHBOURS_REACH = 0.5  # inter-ocular distances
INNER_NOISE, JAW_NOISE = 0.1, 0.5
MOST_WRONG = 20  # landmarks; beyond, nothing says which are the right ones


def gross_errors(modelled, landmarks, size, farthest):
    """Which landmarks lie where their neighbours do not let one expect them.

    Parameters
    ----------
    modelled : (68, 2) pixels, the projected vertices that stand for the landmarks
    landmarks : (68, 2) pixels
    size : float, pixels, the face's inter-ocular distance
    farthest : float, of that distance, from the prediction by the other landmarks

    Returns
    -------
    (68,) bool; the worst is taken out first, and the others judged again without it
    """
    noise = np.full(len(landmarks), INNER_NOISE)
    noise[JAW] = JAW_NOISE
    system = _kernel(modelled, modelled, NEIGHBOURS_REACH * size) + np.diag(noise)
    kept = np.arange(len(landmarks))
    for _ in range(MOST_WRONG):
        inverse = np.linalg.inv(system[np.ix_(kept, kept)])
        away = inverse @ (landmarks - modelled)[kept] / np.diag(inverse)[:, None]
        distance = np.linalg.norm(away, axis=1)
        worst = distance.argmax()
        if distance[worst] <= farthest * size:
            break
        kept = np.delete(kept, worst)
    return ~np.isin(np.arange(len(landmarks)), kept)


def noise_shares(missed, facing, size, settings):
    """How little each landmark is believed, (L,): its variance over that of the correction.

    What is missed beyond the annotator's own error is the correction's variance: where the model
    explains the landmarks to within that error, hardly anything is left to correct.

    Parameters
    ----------
    missed : (68, 2) pixels, landmarks less the vertices that stand for them; NaN where left out
    facing : (68,), cosine between these vertices' normals and the direction to the viewer
    size : float, pixels, the face's inter-ocular distance
    settings : affect4d.config.fitting.Settings
    """
    annotation = (settings.landmark_sd * size) ** 2
    correction = max(np.nanmean(missed**2) - annotation, LEAST_CORRECTION * annotation)
    share = max(annotation / correction, settings.residual_smoothing)
    guessed = facing < GRAZING
    guessed[JAW] = True
    return np.where(guessed, share / settings.jaw_weight, share)


def smooth_residual(projected, modelled, landmarks, noise, reach):
    """Image-space offsets (V, 2) float32 that carry the projected vertices onto the landmarks.

    Parameters
    ----------
    projected : (V, 2) pixels
    modelled : (L, 2) pixels, the projected vertices that stand for the landmarks
    landmarks : (L, 2) pixels
    noise : (L,), see `noise_shares`
    reach : float, pixels, length scale of the correction
    """
    source = modelled.astype(np.float64)
    system = _kernel(source, source, reach) + np.diag(noise)
    weights = np.linalg.solve(system, landmarks - source)
    return _evaluate(projected, source, weights, reach)


def _kernel(one, other, reach):
    squared = ((one[:, None].astype(np.float64) - other[None]) ** 2).sum(2)
    return np.exp(-squared / (2 * reach**2))


def _evaluate(points, source, weights, reach):
    """The kernel sum at points (N, 2), bilinear between the nodes of a fine grid.

    On a grid the Gaussian kernel factors into its rows and columns. With 10 nodes a length scale
    the interpolation is off by at most a four-hundredth of the sum of the weights.
    """
    left, top, right, bottom = _box(points)
    step = max(reach / NODES, max(right - left, bottom - top) / MOST_NODES)
    across = _line(left, right, step, source[:, 0], reach)
    down = _line(top, bottom, step, source[:, 1], reach)
    columns = weights.T[:, :, None].astype(np.float32) * across
    grid = np.ascontiguousarray(np.moveaxis(down.T @ columns, 0, 2))
    return _bilinear(points, grid, left, top, 1 / step)


def _line(first, last, step, centres, reach):
    """The kernel (L, n) float32 along an axis, between nodes from `first` to beyond `last`."""
    nodes = first + step * np.arange(int((last - first) / step) + 2)
    return np.exp(-((nodes - centres[:, None]) ** 2) / (2 * reach**2)).astype(np.float32)


@numba.njit(cache=True)
def _box(points):
    """Least x and y, greatest x and y of points (N, 2)."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for i in range(len(points)):
        x, y = float(points[i, 0]), float(points[i, 1])
        left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
    return left, top, right, bottom


@numba.njit(cache=True)
def _bilinear(points, grid, left, top, density):
    """Values (N, 2) float32 at points (N, 2) of a grid (rows, columns, 2) from (left, top) on."""
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
