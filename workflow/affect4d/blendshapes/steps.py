"""The two steps of the alternation, each a convex problem solved by coordinate descent.

The weights' descent is helped by Newton's steps among the weights off the bounds. Both steps work
on inner products of the components or of the weights only; no residual is formed.
"""

import numba
import numpy as np

COMPONENT_SWEEPS = 10
COMPONENT_TOLERANCE = 1e-4
WEIGHT_ROUNDS = 100
WEIGHT_SWEEPS = 8
WEIGHT_TOLERANCE = 1e-10
WEIGHT_RIDGE = 1e-12


@numba.njit(cache=True)
def update_components(components, gram, correlation, penalty):
    """Group lasso a vertex: minimise over C_v the fit plus sum_k penalty_kv |C_kv|, in place.

    Parameters
    ----------
    components : (K, V, 3)
        Start; receives the solution.
    gram : (K, K)
        W'W / m.
    correlation : (K, V, 3)
        W'D / m.
    penalty : (K, V), mm
    """
    count, vertices, _ = components.shape
    gradient = np.empty((count, 3), components.dtype)
    for v in range(vertices):
        if _rests(components, correlation, penalty, v):
            continue
        gradient[:] = correlation[:, v]
        for j in range(count):
            x, y, z = components[j, v]
            if x != 0 or y != 0 or z != 0:
                for k in range(count):
                    gradient[k, 0] -= gram[k, j] * x
                    gradient[k, 1] -= gram[k, j] * y
                    gradient[k, 2] -= gram[k, j] * z
        for _ in range(COMPONENT_SWEEPS):
            if not _sweep(components, gram, gradient, penalty, v):
                break


@numba.njit(cache=True)
def _rests(components, correlation, penalty, v):
    for k in range(len(components)):
        if components[k, v, 0] != 0 or components[k, v, 1] != 0 or components[k, v, 2] != 0:
            return False
        x, y, z = correlation[k, v]
        if x * x + y * y + z * z > penalty[k, v] * penalty[k, v]:
            return False
    return True


@numba.njit(cache=True)
def _sweep(components, gram, gradient, penalty, v):
    """One pass over the components at a vertex; whether anything moved noticeably."""
    largest, moved = 0.0, 0.0
    for k in range(len(components)):
        scale = gram[k, k]
        if scale <= 0:
            continue
        old_x, old_y, old_z = components[k, v]
        x = gradient[k, 0] + scale * old_x
        y = gradient[k, 1] + scale * old_y
        z = gradient[k, 2] + scale * old_z
        length = np.sqrt(x * x + y * y + z * z)
        shrink = (length - penalty[k, v]) / (length * scale) if length > penalty[k, v] else 0.0
        components[k, v, 0] = x * shrink
        components[k, v, 1] = y * shrink
        components[k, v, 2] = z * shrink
        largest = max(largest, length / scale)
        x = components[k, v, 0] - old_x
        y = components[k, v, 1] - old_y
        z = components[k, v, 2] - old_z
        step = np.sqrt(x * x + y * y + z * z)
        if step > 0:
            moved = max(moved, step)
            for j in range(len(components)):
                gradient[j, 0] -= gram[j, k] * x
                gradient[j, 1] -= gram[j, k] * y
                gradient[j, 2] -= gram[j, k] * z
    return moved > COMPONENT_TOLERANCE * largest


@numba.njit(cache=True)
def update_weights(weights, gram, correlation, lower):
    """Least squares in a box, a frame at a time: lower <= w <= 1, in place.

    Parameters
    ----------
    weights : (m, K) float64
        Start, within the box; receives the solution.
    gram : (K, K) float64
        CC'.
    correlation : (m, K) float64
        DC'.
    lower : float
        0 or -1.
    """
    for f in range(len(weights)):
        weight = weights[f]
        gradient = correlation[f].copy()
        for k in range(len(weight)):
            _shift(gradient, gram, k, weight[k])
        for _ in range(WEIGHT_ROUNDS):
            for _ in range(WEIGHT_SWEEPS):
                moved = _sweep_weights(weight, gradient, gram, lower)
                if moved <= WEIGHT_TOLERANCE:
                    break
            if moved <= WEIGHT_TOLERANCE:
                break
            _step_inside(weight, gradient, gram, lower)


@numba.njit(cache=True)
def _sweep_weights(weight, gradient, gram, lower):
    """One pass over a frame's weights; the largest change."""
    moved = 0.0
    for k in range(len(weight)):
        if gram[k, k] <= 0:
            continue
        new = min(max(weight[k] + gradient[k] / gram[k, k], lower), 1.0)
        step = new - weight[k]
        if step != 0:
            weight[k] = new
            moved = max(moved, abs(step))
            _shift(gradient, gram, k, step)
    return moved


@numba.njit(cache=True)
def _step_inside(weight, gradient, gram, lower):
    """Newton's step on the weights strictly inside the box, as far as the box reaches."""
    free = np.flatnonzero((weight > lower) & (weight < 1.0))
    system = np.empty((len(free), len(free)))
    for i in range(len(free)):
        for j in range(len(free)):
            system[i, j] = gram[free[i], free[j]]
        system[i, i] = system[i, i] * (1 + WEIGHT_RIDGE) + np.finfo(np.float64).tiny
    step = np.linalg.solve(system, gradient[free])
    reach = 1.0
    for i in range(len(free)):
        room = (1.0 if step[i] > 0 else lower) - weight[free[i]]
        if abs(step[i]) > abs(room):
            reach = min(reach, room / step[i])
    for i in range(len(free)):
        new = min(max(weight[free[i]] + reach * step[i], lower), 1.0)
        _shift(gradient, gram, free[i], new - weight[free[i]])
        weight[free[i]] = new


@numba.njit(cache=True)
def _shift(gradient, gram, k, step):
    for j in range(len(gradient)):
        gradient[j] -= gram[k, j] * step
