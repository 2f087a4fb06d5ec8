"""The two steps of the alternation, each a convex problem solved by coordinate descent.

The weights' descent is helped by Newton's steps among the weights off the bounds. Both steps work
on inner products of the components or of the weights only; no residual is formed.
"""

# mypy: allow-untyped-defs, allow-untyped-decorators
import numba
import numpy as np

# Of a vertex's components: an iteration need not solve exactly what the next one goes on from.
COMPONENT_CYCLES = 10  # of coordinate descent per iteration at most; two where they hardly overlap
COMPONENT_TOLERANCE = 1e-4  # largest step at which they stop, of the longest component
# Of a frame's weights, solved to rounding error, for the objective is stated for the best ones.
WEIGHT_CYCLES = 8  # of coordinate descent before a Newton step: they find which bounds are met
WEIGHT_ROUNDS = 100  # of cycles and a Newton step at most; twelve components amid noise take 2
WEIGHT_TOLERANCE = 1e-10  # largest change of a weight in a cycle at which they stop
WEIGHT_RIDGE = 1e-12  # of a component's energy, so that the system of equal ones can be solved


@numba.njit(cache=True)
def update_components(components, gram, correlation, penalty):
    """Group lasso per vertex: minimise over C_v the fit plus sum_k penalty_vk |C_vk|, in place.

    Parameters
    ----------
    components : (V, 3, K)
        Start; receives the solution.
    gram : (K, K)
        W'W / m.
    correlation : (V, 3, K)
        D'W / m; receives the fit's negative gradient at the solution.
    penalty : (V, K), mm
    """
    vertices, _, count = components.shape
    active = np.empty(count, np.int64)
    for v in range(vertices):
        component, gradient = components[v], correlation[v]
        for k in range(count):
            if component[0, k] != 0 or component[1, k] != 0 or component[2, k] != 0:
                _subtract_motion(
                    gradient, gram, k, component[0, k], component[1, k], component[2, k]
                )
        for _ in range(COMPONENT_CYCLES):
            count_active = _write_active(component, gradient, penalty[v], active)
            if not _cycle_components(component, gram, gradient, penalty[v], active[:count_active]):
                break


@numba.njit(cache=True)
def _write_active(component, gradient, penalty, active):
    """Write the components that move, or should, to `active`; returns how many they are."""
    count_active = 0
    for k in range(len(penalty)):
        x, y, z = gradient[0, k], gradient[1, k], gradient[2, k]
        pulled = x * x + y * y + z * z > penalty[k] * penalty[k]
        if pulled or component[0, k] != 0 or component[1, k] != 0 or component[2, k] != 0:
            active[count_active] = k
            count_active += 1
    return count_active


@numba.njit(cache=True)
def _cycle_components(component, gram, gradient, penalty, active):
    """One pass over the components at a vertex; whether anything moved noticeably."""
    largest, moved = 0.0, 0.0
    for k in active:
        scale = gram[k, k]
        if scale <= 0:
            continue
        old_x, old_y, old_z = component[0, k], component[1, k], component[2, k]
        x = gradient[0, k] + scale * old_x
        y = gradient[1, k] + scale * old_y
        z = gradient[2, k] + scale * old_z
        length = np.sqrt(x * x + y * y + z * z)
        shrink = (length - penalty[k]) / (length * scale) if length > penalty[k] else 0.0
        component[0, k] = x * shrink
        component[1, k] = y * shrink
        component[2, k] = z * shrink
        largest = max(largest, length / scale)
        x = component[0, k] - old_x
        y = component[1, k] - old_y
        z = component[2, k] - old_z
        step = np.sqrt(x * x + y * y + z * z)
        if step > 0:
            moved = max(moved, step)
            _subtract_motion(gradient, gram, k, x, y, z)
    return moved > COMPONENT_TOLERANCE * largest


@numba.njit(cache=True)
def _subtract_motion(gradient, gram, k, x, y, z):
    for j in range(len(gram)):
        gradient[0, j] -= gram[k, j] * x
        gradient[1, j] -= gram[k, j] * y
        gradient[2, j] -= gram[k, j] * z


@numba.njit(cache=True)
def update_weights(weights, gram, correlation, lower):
    """Least squares in a box, frame by frame: lower <= w <= 1, in place.

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
            _subtract_weight(gradient, gram, k, weight[k])
        for _ in range(WEIGHT_ROUNDS):
            for _ in range(WEIGHT_CYCLES):
                moved = _cycle_weights(weight, gradient, gram, lower)
                if moved <= WEIGHT_TOLERANCE:
                    break
            if moved <= WEIGHT_TOLERANCE:
                break
            _step_inside(weight, gradient, gram, lower)


@numba.njit(cache=True)
def _cycle_weights(weight, gradient, gram, lower):
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
            _subtract_weight(gradient, gram, k, step)
    return moved


@numba.njit(cache=True)
def _step_inside(weight, gradient, gram, lower):
    """Newton's step on the weights strictly inside the box, as far as the box allows."""
    free = np.flatnonzero((weight > lower) & (weight < 1.0))
    system = np.empty((len(free), len(free)))
    for i in range(len(free)):
        for j in range(len(free)):
            system[i, j] = gram[free[i], free[j]]
        system[i, i] = system[i, i] * (1 + WEIGHT_RIDGE) + np.finfo(np.float64).tiny
    step = np.linalg.solve(system, gradient[free])
    fraction = 1.0
    for i in range(len(free)):
        slack = (1.0 if step[i] > 0 else lower) - weight[free[i]]
        if abs(step[i]) > abs(slack):
            fraction = min(fraction, slack / step[i])
    for i in range(len(free)):
        new = min(max(weight[free[i]] + fraction * step[i], lower), 1.0)
        _subtract_weight(gradient, gram, free[i], new - weight[free[i]])
        weight[free[i]] = new


@numba.njit(cache=True)
def _subtract_weight(gradient, gram, k, step):
    for j in range(len(gradient)):
        gradient[j] -= gram[k, j] * step
