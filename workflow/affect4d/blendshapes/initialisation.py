"""Greedy initialisation: one component after the other, each at the vertex with most motion left.

After T. Neumann et al. 2013. The energies of the vertices are kept up to date as components are
taken out, so that the residual itself is never formed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from affect4d.blendshapes.compression import ROUNDING, Floats, TrainingFrames


def initialise_greedily(
    frames: TrainingFrames,
    count: int,
    *,
    nonnegative: bool,
    support_of: Callable[[int], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], Floats, NDArray[np.int64]]:
    """First weights, components and centres.

    Parameters
    ----------
    frames : difference vectors
    count : of components
    nonnegative : whether weights are
    support_of : from a vertex to (V,) in [0, 1]: how much of a component centred there may move

    Returns
    -------
    weights : (m, k), k <= count: fewer where no motion is left
    components : (V, 3, k), mm
    centres : (k,), vertices
    """
    rows = frames.rows
    vertices = rows.shape[1] // 3
    weights = np.zeros((len(frames), count))
    components: Floats = np.zeros((3 * vertices, count), rows.dtype)
    centres = np.zeros(count, dtype=np.int64)
    coordinate_energy = np.zeros(3 * vertices)
    for row in rows:
        coordinate_energy += row * row
    energy = coordinate_energy.reshape(-1, 3).sum(1)
    negligible = ROUNDING * np.finfo(rows.dtype).eps * energy.max(initial=0.0)
    for k in range(count):
        centre = int(energy.argmax())
        if energy[centre] <= negligible:
            count = k
            break
        explained = components[3 * centre : 3 * centre + 3, :k].astype(np.float64)
        trajectory = frames.vertex_trajectory(centre) - weights[:, :k] @ explained.T
        weight = _leading_weights(trajectory, nonnegative)
        residual = len(frames) * frames.project(weight[:, None])[:, 0]
        residual -= components[:, :k] @ (weight @ weights[:, :k]).astype(rows.dtype)
        residual = residual.reshape(-1, 3)
        support, norm = support_of(centre), weight @ weight
        components[:, k] = (residual * (support / norm)[:, None]).ravel()
        weights[:, k], centres[k] = weight, centre
        energy -= (2 * support - support**2) * squared_lengths(residual, 1) / norm
    components = components[:, :count].reshape(vertices, 3, count)
    contiguous: Floats = np.ascontiguousarray(components)
    return weights[:, :count], contiguous, centres[:count]


def squared_lengths(vectors: Floats, axis: int) -> NDArray[np.float64]:
    """Squared lengths of vectors whose coordinates lie along `axis`."""
    return np.asarray(np.square(vectors, dtype=np.float64).sum(axis))


def _leading_weights(trajectory: NDArray[np.float64], nonnegative: bool) -> NDArray[np.float64]:
    """The constraint's weights (m,) nearest to the leading direction of a trajectory (m, 3)."""
    leading = trajectory @ np.linalg.eigh(trajectory.T @ trajectory)[1][:, -1]
    if nonnegative:
        rising, falling = np.maximum(leading, 0), np.maximum(-leading, 0)
        leading = rising if rising @ rising >= falling @ falling else falling
    return np.asarray(leading / leading[np.abs(leading).argmax()])
