"""The greedy start: one component after the other, each from the vertex with most motion left.

After T. Neumann et al. 2013. The energies of the vertices are kept up to date as components are
taken out, so that the residual itself is never formed.
"""

import numpy as np


def greedy_start(frames, count, nonnegative, support_of):
    """First weights, components and centres.

    Parameters
    ----------
    frames : Frames
    count : int
    nonnegative : bool
    support_of : callable
        From a vertex to (V,) in [0, 1]: how much of a component centred there may move.

    Returns
    -------
    weights : (m, k) float64, k <= count: fewer where no motion is left
    components : (V, 3, k)
    centres : (k,) int64
    """
    rows = frames.rows
    vertices = rows.shape[1] // 3
    weights = np.zeros((len(frames), count))
    components = np.zeros((3 * vertices, count), rows.dtype)
    centres = np.zeros(count, dtype=np.int64)
    energy = np.zeros(3 * vertices)
    for row in rows:
        energy += row * row
    energy = energy.reshape(-1, 3).sum(1)
    rest = 10 * np.finfo(rows.dtype).eps * energy.max(initial=0.0)
    for k in range(count):
        centre = int(energy.argmax())
        if energy[centre] <= rest:
            count = k
            break
        taken = components[3 * centre : 3 * centre + 3, :k].astype(np.float64)
        weight = _strongest(frames.course(centre) - weights[:, :k] @ taken.T, nonnegative)
        remaining = len(frames) * frames.project(weight[:, None])[:, 0]
        remaining -= components[:, :k] @ (weight @ weights[:, :k]).astype(rows.dtype)
        remaining = remaining.reshape(-1, 3)
        support, norm = support_of(centre), weight @ weight
        components[:, k] = (remaining * (support / norm)[:, None]).ravel()
        weights[:, k], centres[k] = weight, centre
        energy -= (2 * support - support**2) * squares(remaining, 1) / norm
    components = components[:, :count].reshape(vertices, 3, count)
    return weights[:, :count], np.ascontiguousarray(components), centres[:count]


def squares(vectors, axis):
    """Squared lengths, float64, of vectors whose coordinates lie along `axis`."""
    return np.square(vectors, dtype=np.float64).sum(axis)


def _strongest(motion, nonnegative):
    """The constraint's weights nearest to the leading course of one vertex's motion (m, 3)."""
    course = motion @ np.linalg.eigh(motion.T @ motion)[1][:, -1]
    if nonnegative:
        rising, falling = np.maximum(course, 0), np.maximum(-course, 0)
        course = rising if rising @ rising >= falling @ falling else falling
    return course / course[np.abs(course).argmax()]
