"""Sparse localized deformation components as their publication describes them, for comparison.

T. Neumann et al., Sparse Localized Deformation Components, ACM Trans. Graph. 32(6), 2013: a greedy
start on the residual; then, in turn, weights by coordinate descent on the residual, each trajectory
projected onto the constraint, and components by ADMM; every support from geodesic distances by the
heat method (Crane et al. 2013), solved anew each time they are asked for. Nothing is made faster
than the text makes it; the mesh's two systems are factorised once, as the heat method means it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from affect4d.geometry.surface import cotangent

ITERATIONS, ADMM_STEPS, RHO = 10, 10, 10.0


@dataclass(frozen=True)
class Components:
    """The result: weights (m, K), components (K, V, 3), centres (K,) of their penalties."""

    weights: np.ndarray
    components: np.ndarray
    centres: np.ndarray


class HeatDistances:
    """Geodesic distances from one vertex, by a short time's heat and its gradient."""

    def __init__(self, vertices, triangles):
        self.triangles, corners = triangles, vertices[triangles]
        edges = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]  # opposite each corner
        normals = np.cross(edges[:, 0], edges[:, 1])
        double_area = np.linalg.norm(normals, axis=1)
        turned = np.cross(normals / double_area[:, None], edges.swapaxes(0, 1)).swapaxes(0, 1)
        self.gradients = turned / double_area[:, None, None]  # of the corners' hat functions
        self.area = double_area / 2
        stiffness, mass = cotangent(vertices, triangles)
        time = np.linalg.norm(edges, axis=2).mean() ** 2
        self.heat = splu(sparse.csc_matrix(sparse.diags(mass) + time * stiffness))
        # The distance is known but for a constant: a trace of mass makes the system regular.
        self.poisson = splu(sparse.csc_matrix(stiffness + 1e-9 * sparse.diags(mass)))
        self.count = len(vertices)

    def __call__(self, source):
        """Distances (V,), mm, from vertex `source`."""
        impulse = np.zeros(self.count)
        impulse[source] = 1.0
        heat = self.heat.solve(impulse)
        slope = np.einsum("fc,fcx->fx", heat[self.triangles], self.gradients)
        slope /= np.maximum(np.linalg.norm(slope, axis=1), np.finfo(float).tiny)[:, None]
        flux = -self.area[:, None] * np.einsum("fcx,fx->fc", self.gradients, slope)
        divergence = np.bincount(self.triangles.ravel(), flux.ravel(), self.count)
        distance = self.poisson.solve(divergence)
        return distance - distance[source]


def fit(D, vertices, triangles, count, sparsity, inner_radius, outer_radius):
    """The published algorithm with weights in [0, 1] and the published number of steps.

    Parameters
    ----------
    D : (m, 3V), mm
    vertices, triangles : the mesh, mm
    count : int, K
    sparsity : float, mm
        As in SparseLocalizedPCA; the publication's lambda, which weighs half the sum over frames,
        is m times it.
    inner_radius, outer_radius : float, mm

    Returns
    -------
    Components
    """
    distances = HeatDistances(vertices.astype(np.float64), triangles)

    def penalty_map(centre):
        return np.clip((distances(centre) - inner_radius) / (outer_radius - inner_radius), 0, 1)

    X = np.array(D, dtype=np.float64).reshape(len(D), -1, 3)
    weights, components = _start(X, count, penalty_map)
    dual = np.zeros_like(components)
    residual = X - np.tensordot(weights, components, 1)
    for _ in range(ITERATIONS):
        _update_weights(weights, components, residual)
        centres = (components**2).sum(2).argmax(1)
        penalty = len(D) * sparsity * np.array([penalty_map(centre) for centre in centres])
        components = _admm(components, dual, weights, X, penalty)
        residual = X - np.tensordot(weights, components, 1)
    return Components(weights, components, centres)


def _start(X, count, penalty_map):
    """One after the other: the vertex of most motion left, its trajectory, the motion around it."""
    residual = X.copy()
    weights, components = np.zeros((len(X), count)), np.zeros((count, *X.shape[1:]))
    for k in range(count):
        centre = (residual**2).sum((0, 2)).argmax()
        u, s, _ = np.linalg.svd(residual[:, centre], full_matrices=False)
        trajectory = s[0] * u[:, 0]
        weight = max(_project(trajectory), _project(-trajectory), key=np.linalg.norm)
        field = np.tensordot(weight, residual, 1) / (weight @ weight)
        components[k] = field * (1 - penalty_map(centre))[:, None]
        weights[:, k] = weight
        residual -= weight[:, None, None] * components[k]
    return weights, components


def _project(trajectory):
    trajectory = np.maximum(trajectory, 0)
    return trajectory / trajectory.max() if trajectory.max() > 0 else trajectory


def _update_weights(weights, components, residual):
    flat = residual.reshape(len(residual), -1)
    for k, component in enumerate(components.reshape(len(components), -1)):
        energy = component @ component
        if energy < 1e-8:
            weights[:, k] = 0
            continue
        flat += np.outer(weights[:, k], component)
        weights[:, k] = _project(flat @ component / energy)
        flat -= np.outer(weights[:, k], component)


def _admm(components, dual, weights, X, penalty):
    """Components by the alternating direction method of multipliers; `dual` is updated."""
    factor = cho_factor(weights.T @ weights + RHO * np.eye(len(components)))
    target = np.tensordot(weights.T, X, 1).reshape(len(components), -1)
    sparse_ones = components
    for _ in range(ADMM_STEPS):
        pulled = target + RHO * (sparse_ones - dual).reshape(len(components), -1)
        smooth = cho_solve(factor, pulled).reshape(components.shape)
        lengths = np.linalg.norm(smooth + dual, axis=2)
        kept = np.maximum(1 - penalty / RHO / np.maximum(lengths, np.finfo(float).tiny), 0)
        sparse_ones = kept[..., None] * (smooth + dual)
        dual += smooth - sparse_ones
    return sparse_ones
