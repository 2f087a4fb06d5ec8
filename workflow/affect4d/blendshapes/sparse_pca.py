"""Sparse localized components of difference vectors (paper, equation 1).

After T. Neumann et al., Sparse Localized Deformation Components, 2013. With frames in rows the
model is D = W C: the weights W carry the constraint, the components C are sparse. (The paper's
equation has frames in columns and names the constrained matrix B; its printed condition for the
second constraint, B >= 1, is read as the original's B >= 0.) The one objective, in mm^2, is

    1 / (2 m) |D - W C|^2  +  sum_k sum_v penalty_kv |C_kv|,

where |C_kv| is the length of component k at vertex v, and penalty_kv rises from 0 within
`inner_radius` of the component's centre to `sparsity` at `outer_radius`, along the surface. The
mean over frames makes the result independent of how often the same frames occur.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.steps import update_components, update_weights

LOWER = {"nonnegative": 0.0, "signed": -1.0}


class SparseLocalizedPCA(TransformerMixin, BaseEstimator):
    """Components that are sparse and local on a mesh.

    Parameters
    ----------
    n_components : int
        Capped at the number of frames and of components that carry motion, with a warning.
    constraint : {"nonnegative", "signed"}
        Weights in [0, 1] with maximum 1 a component, or in [-1, 1] with maximum modulus 1; both
        hold exactly.
    sparsity : float
        Full penalty, mm: mean weighted motion below which a vertex far from a centre is at rest.
    inner_radius, outer_radius : float
        Geodesic distances, mm, from a component's centre between which its penalty rises.
    centre_updates : int
        Iterations after which the centres stay where they are at the latest.
    max_iterations : int
    tolerance : float
        Relative decrease of the objective, centres unmoved, at which the fit stops.

    Attributes
    ----------
    components_ : (K, V, 3) array, mm, by falling energy
    weights_ : (m, K) array
    centres_ : (K,) int array, vertex indices
    objective_ : list of float
        After each iteration; never rising while the centres are unmoved.
    n_components_ : int
        K.
    """

    def __init__(
        self,
        n_components,
        constraint="nonnegative",
        sparsity=0.15,
        inner_radius=15.0,
        outer_radius=70.0,
        centre_updates=3,
        max_iterations=50,
        tolerance=1e-4,
    ):
        self.n_components = n_components
        self.constraint = constraint
        self.sparsity = sparsity
        self.inner_radius = inner_radius
        self.outer_radius = outer_radius
        self.centre_updates = centre_updates
        self.max_iterations = max_iterations
        self.tolerance = tolerance

    def fit(self, D, y=None, *, vertices, triangles, geodesics=None):
        """Decompose difference vectors.

        Parameters
        ----------
        D : (m, 3V) float32 or float64, mm
            One frame a row, (V, 3) ravelled; the work is done in its precision.
        y : ignored
        vertices : (V, 3), mm
        triangles : (F, 3) int
        geodesics : Geodesics, optional
            Distances on this very mesh, limited at `outer_radius`, to share between fits.

        Raises
        ------
        ValueError
            Shapes do not agree, a value is not finite, or a parameter is out of its range.
        """
        D = self._check(D, len(vertices))
        if geodesics is None:
            geodesics = Geodesics(vertices, triangles, self.outer_radius)
        state = self._start(D, geodesics)
        self.objective_ = []
        for iteration in range(self.max_iterations):
            moved = 0 < iteration <= self.centre_updates and self._recentre(state, geodesics)
            self._alternate(state, D)
            self.objective_.append(_objective(state, D))
            if not moved and self._settled():
                break
        if len(state.centres) < self.n_components:
            warnings.warn(
                f"{len(state.centres)} components instead of {self.n_components}: "
                f"these {len(D)} frames carry no more motion",
                stacklevel=2,
            )
        energy = _squares(state.components).sum(1) * (state.weights**2).sum(0)
        order = np.argsort(-energy, kind="stable")
        self.components_, self.centres_ = state.components[order], state.centres[order]
        self.weights_ = state.weights[:, order].astype(D.dtype)
        self.n_components_, self.n_features_in_ = len(order), D.shape[1]
        return self

    def fit_transform(self, D, y=None, **mesh):
        """Fit and return the weights (m, K), on which the constraint holds exactly."""
        return self.fit(D, **mesh).weights_

    def transform(self, D):
        """Weights (m, K) of other frames: least squares in the constraint's box."""
        check_is_fitted(self)
        D = self._check(D, self.components_.shape[1])
        gram, correlation = _products(self.components_, D)
        weights = np.zeros_like(correlation)
        update_weights(weights, gram, correlation, LOWER[self.constraint])
        return weights.astype(D.dtype)

    def inverse_transform(self, weights):
        """Difference vectors (m, 3V), mm, of weights (m, K)."""
        check_is_fitted(self)
        weights = np.asarray(weights, dtype=self.components_.dtype)
        return weights @ self.components_.reshape(len(self.components_), self.n_features_in_)

    def _check(self, D, vertex_count):
        if self.constraint not in LOWER:
            raise ValueError(f"constraint is one of {sorted(LOWER)}, not {self.constraint!r}")
        if not 0 <= self.inner_radius < self.outer_radius:
            raise ValueError("0 <= inner_radius < outer_radius must hold")
        if self.n_components < 1 or self.sparsity < 0 or self.max_iterations < 1:
            raise ValueError("n_components and max_iterations start at 1, sparsity at 0")
        D = check_array(D, dtype=(np.float64, np.float32), order="C")
        if D.shape[1] != 3 * vertex_count:
            raise ValueError(f"D has {D.shape[1]} columns, the mesh {vertex_count} vertices")
        return D

    def _start(self, D, geodesics):
        """Greedy start: the vertex of greatest remaining energy, its motion, its surroundings.

        The energies are kept up to date as components are taken out, without the residual itself.
        """
        frames, vertices = D.reshape(len(D), -1, 3), D.shape[1] // 3
        count = min(self.n_components, len(D))
        weights = np.zeros((len(D), count))
        components = np.zeros((count, vertices, 3), D.dtype)
        centres = np.zeros(count, dtype=np.int64)
        energy = np.einsum("mvc,mvc->v", frames, frames, dtype=np.float64)
        rest = 10 * np.finfo(D.dtype).eps * energy.max(initial=0.0)
        for k in range(count):
            centre = int(energy.argmax())
            if energy[centre] <= rest:
                count = k
                break
            here = frames[:, centre] - weights[:, :k] @ components[:k, centre]
            weight = self._strongest(here)
            remaining = (weight.astype(D.dtype) @ D).reshape(-1, 3)
            remaining -= np.tensordot(weight @ weights[:, :k], components[:k], 1).astype(D.dtype)
            support = 1 - self._ramp(geodesics.from_vertex(centre))
            norm = weight @ weight
            components[k] = remaining * (support / norm)[:, None]
            weights[:, k], centres[k] = weight, centre
            energy -= (2 * support - support**2) * _squares(remaining) / norm
        penalty = self._penalties(centres[:count], geodesics, D.dtype)
        return _State(weights[:, :count], components[:count], centres[:count], penalty)

    def _strongest(self, motion):
        """The constraint's weights nearest to the leading course of one vertex's motion (m, 3)."""
        course = motion @ np.linalg.eigh(motion.T @ motion)[1][:, -1]
        if self.constraint == "nonnegative":
            rising, falling = np.maximum(course, 0), np.maximum(-course, 0)
            course = rising if rising @ rising >= falling @ falling else falling
        return course.astype(np.float64) / course[np.abs(course).argmax()]

    def _recentre(self, state, geodesics):
        """Move each centre to where its component is longest; whether any moved."""
        found = _squares(state.components).argmax(1)
        if np.array_equal(found, state.centres):
            return False
        state.centres = found
        state.penalty = self._penalties(found, geodesics, state.components.dtype)
        return True

    def _alternate(self, state, D):
        weights, components = state.weights, state.components
        gram = (weights.T @ weights / len(D)).astype(D.dtype)
        correlation = (weights.T.astype(D.dtype) @ D / len(D)).reshape(components.shape)
        update_components(components, gram, correlation, state.penalty)
        shapes, matches = _products(components, D)
        update_weights(weights, shapes, matches, LOWER[self.constraint])
        state.rescale()

    def _settled(self):
        if len(self.objective_) < 2:
            return False
        before, now = self.objective_[-2:]
        return before - now <= self.tolerance * before

    def _ramp(self, distance):
        return np.clip(
            (distance - self.inner_radius) / (self.outer_radius - self.inner_radius), 0, 1
        )

    def _penalties(self, centres, geodesics, dtype):
        ramps = [self._ramp(geodesics.from_vertex(centre)) for centre in centres]
        penalty = self.sparsity * np.array(ramps).reshape(len(centres), len(geodesics.vertices))
        return penalty.astype(dtype)


@dataclass
class _State:
    """An iterate: weights (m, K), components (K, V, 3), centres (K,), penalty (K, V)."""

    weights: np.ndarray
    components: np.ndarray
    centres: np.ndarray
    penalty: np.ndarray

    def rescale(self):
        """Bring each component's largest weight to 1, which can only lower the penalty.

        A component that no frame uses, or that moves no vertex, could not meet the constraint and
        is dropped.
        """
        peak = np.abs(self.weights).max(0, initial=0.0)
        alive = (peak > 0) & self.components.any((1, 2))
        top = self.weights[np.abs(self.weights).argmax(0), np.arange(len(peak))][alive]
        self.weights = self.weights[:, alive] / top
        self.components = self.components[alive] * top[:, None, None].astype(self.components.dtype)
        self.centres, self.penalty = self.centres[alive], self.penalty[alive]


def _squares(components):
    """Squared lengths, (..., V) float64, of (..., V, 3)."""
    return np.einsum("...c,...c->...", components, components, dtype=np.float64)


def _products(components, D):
    """CC' (K, K) and DC' (m, K), float64."""
    flat = components.reshape(len(components), D.shape[1])
    return (flat @ flat.T).astype(np.float64), (D @ flat.T).astype(np.float64)


def _objective(state, D):
    gram, correlation = _products(state.components, D)
    weights = state.weights
    energy = _squares(D.reshape(len(D), -1, 3)).sum()
    fit = energy - 2 * np.vdot(weights, correlation) + np.vdot(weights.T @ weights, gram)
    return float(fit / (2 * len(D)) + (state.penalty * np.sqrt(_squares(state.components))).sum())
