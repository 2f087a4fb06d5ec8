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
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from affect4d.blendshapes import compression
from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.start import greedy_start, squares
from affect4d.blendshapes.steps import update_components, update_weights

LOWER = {"nonnegative": 0.0, "signed": -1.0}
EQUAL = 1e-9  # of weights' moduli: rounding


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
    max_iter : int
    tol : float
        Relative decrease of the objective, centres unmoved, at which the fit stops.
    energy_tolerance : float
        Share of the energy |D|^2 that may be lost, in all, where an array is read by blocks and
        compressed to its strongest directions of motion; see `compression`.
    warm_start : bool
        Start from the components and centres of the last fit, of the same `n_components` and on the
        same mesh; these centres stay. A last fit that found fewer is no start.

    Attributes
    ----------
    components_ : (K, V, 3) array, mm, by falling energy
    weights_ : (m, K) array
    centres_ : (K,) int array, vertex indices
    objective_ : list of float, mm^2
        After each iteration; never rising, but for rounding in float32.
    lost_energy_ : float, mm^2
        |E|^2 of what compression left out of D, 0 where there was none. The objective counts it as
        if no component described any of it. The true fit differs by <E, W C> / m, which is at most
        |E| |D - E - W C| / m.
    n_components_ : int
        K.
    n_iter_ : int
    """

    def __init__(
        self,
        n_components=8,
        constraint="nonnegative",
        sparsity=0.15,
        inner_radius=15.0,
        outer_radius=70.0,
        centre_updates=3,
        max_iter=50,
        tol=1e-3,
        energy_tolerance=0.05,
        warm_start=False,
    ):
        self.n_components = n_components
        self.constraint = constraint
        self.sparsity = sparsity
        self.inner_radius = inner_radius
        self.outer_radius = outer_radius
        self.centre_updates = centre_updates
        self.max_iter = max_iter
        self.tol = tol
        self.energy_tolerance = energy_tolerance
        self.warm_start = warm_start

    def fit(self, D, y=None, *, vertices, triangles, geodesics=None):
        """Decompose difference vectors.

        Parameters
        ----------
        D : (m, 3V) float32 or float64, mm
            One frame a row, (V, 3) ravelled; the work is done in its precision. An array that is
            not in memory, such as Zarr's or Dask's, is read once, by blocks of rows, and
            compressed; it may also be (m, V, 3), with the coordinates of a vertex last.
        y : ignored
        vertices : (V, 3), mm
        triangles : (F, 3) int
        geodesics : Geodesics, optional
            Distances on this very mesh, limited at no less than `outer_radius`, to share between
            fits.

        Raises
        ------
        ValueError
            Shapes or meshes do not agree, a value is not finite, a parameter is out of its range.
        """
        self._check_parameters()
        if geodesics is None:
            geodesics = Geodesics(vertices, triangles, self.outer_radius)
        elif not geodesics.reach(vertices, triangles, self.outer_radius):
            raise ValueError("geodesics are of another mesh, or end before outer_radius")
        frames = self._read(D, len(geodesics.vertices))
        # what the last fit's frames did not move could never come back
        warm = self.warm_start and len(getattr(self, "components_", ())) == self._last_asked()
        state = self._resume(frames, geodesics) if warm else self._start(frames, geodesics)
        self.objective_ = []
        for iteration in range(self.max_iter):
            recentres = not warm and 0 < iteration <= self.centre_updates
            moved = recentres and self._recentre(state, geodesics)
            self.objective_.append(self._alternate(state, frames))
            if not moved and self._settled():
                break
        else:
            warnings.warn(
                f"not converged: the objective still falls by more than {self.tol:g} of itself "
                f"after {self.max_iter} iterations",
                ConvergenceWarning,
                stacklevel=2,
            )
        if len(state.centres) < self.n_components:
            warnings.warn(
                f"{len(state.centres)} components instead of {self.n_components}: "
                f"these {len(frames)} frames carry no more motion",
                stacklevel=2,
            )
        self._keep(state, frames)
        return self

    def fit_transform(self, D, y=None, **mesh):
        """Fit and return the weights (m, K), on which the constraint holds exactly."""
        return self.fit(D, **mesh).weights_

    def transform(self, D):
        """Weights (m, K) of other frames, in memory: least squares in the constraint's box."""
        check_is_fitted(self)
        D = validate_data(self, D, reset=False, **_NUMBERS)
        compression.check_finite(D, 0)
        flat = self.components_.reshape(len(self.components_), D.shape[1])
        weights = np.zeros((len(D), len(flat)))
        gram, matches = (flat @ flat.T).astype(np.float64), (D @ flat.T).astype(np.float64)
        update_weights(weights, gram, matches, LOWER[self.constraint])
        return weights.astype(D.dtype)

    def inverse_transform(self, weights):
        """Difference vectors (m, 3V), mm, of weights (m, K)."""
        check_is_fitted(self)
        weights = np.asarray(weights, dtype=self.components_.dtype)
        return weights @ self.components_.reshape(len(self.components_), self.n_features_in_)

    def _check_parameters(self):
        if self.constraint not in LOWER:
            raise ValueError(f"constraint is one of {sorted(LOWER)}, not {self.constraint!r}")
        if not 0 <= self.inner_radius < self.outer_radius < np.inf:
            raise ValueError("0 <= inner_radius < outer_radius must hold, both finite")
        for name, least in (("n_components", 1), ("max_iter", 1), ("centre_updates", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} is a whole number from {least}, not {value!r}")
        if not 0 <= self.sparsity < np.inf:
            raise ValueError(f"sparsity is finite and not negative, not {self.sparsity!r}")
        for name in ("tol", "energy_tolerance"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} lies in [0, 1), not at {getattr(self, name)!r}")

    def _read(self, D, vertices):
        """D as Frames, once its width is found to be the mesh's."""
        lazy = compression.is_lazy(D)
        if not lazy:
            D = validate_data(self, D, **_NUMBERS)
        width = 3 * vertices
        if tuple(D.shape[1:]) not in {(width,), (vertices, 3)}:
            shape = "x".join(map(str, D.shape))
            raise ValueError(f"D is {shape}, where the mesh has {vertices} vertices")
        if D.shape[0] == 0:
            raise ValueError("D has no frames")
        self.n_features_in_ = width
        return compression.compress(D, self.energy_tolerance) if lazy else compression.whole(D)

    def _start(self, frames, geodesics):
        weights, components, centres = greedy_start(
            frames,
            min(self.n_components, len(frames)),
            self.constraint == "nonnegative",
            lambda centre: 1 - self._ramp(geodesics.from_vertex(centre)),
        )
        penalty = self._penalties(centres, geodesics, components.dtype)
        return _State(weights, components, centres, penalty)

    def _last_asked(self):
        """How many components the last fit was asked for; None before the first."""
        return getattr(self, "_asked", None)

    def _resume(self, frames, geodesics):
        """The last fit's components, with the weights that suit these frames best."""
        if self.n_components != self._asked:
            raise ValueError(
                f"warm_start: the last fit was of {self._asked} components, not {self.n_components}"
            )
        if self.components_.shape[1] != len(geodesics.vertices):
            raise ValueError(
                f"warm_start: the last fit has {self.components_.shape[1]} vertices, "
                f"the mesh {len(geodesics.vertices)}"
            )
        dtype = frames.rows.dtype
        components = np.ascontiguousarray(self.components_.transpose(1, 2, 0), dtype=dtype)
        weights = np.zeros((len(frames), components.shape[2]))
        penalty = self._penalties(self.centres_, geodesics, dtype)
        state = _State(weights, components, self.centres_.copy(), penalty)
        self._weigh(state, frames)
        return state

    def _recentre(self, state, geodesics):
        """Move centres to where their components are longest, if that costs less; whether any did.

        A component longest at its own support's rim would cost more from there.
        """
        lengths = np.sqrt(squares(state.components, 1))
        found = lengths.argmax(0)
        tried = np.flatnonzero(found != state.centres)
        penalty = self._penalties(found[tried], geodesics, lengths.dtype)
        before, after = (
            (own * lengths[:, tried]).sum(0) for own in (state.penalty[:, tried], penalty)
        )
        moved = tried[after < before]
        state.centres[moved], state.penalty[:, moved] = found[moved], penalty[:, after < before]
        return len(moved) > 0

    def _alternate(self, state, frames):
        """One iteration; returns the objective at its end."""
        dtype = state.components.dtype
        gram = (state.weights.T @ state.weights / len(frames)).astype(dtype)
        correlation = frames.project(state.weights).reshape(state.components.shape)
        update_components(state.components, gram, correlation, state.penalty)
        fit = self._weigh(state, frames)
        return fit + state.cost()

    def _weigh(self, state, frames):
        """The weights' step; returns the fit, mean over frames."""
        flat = state.components.reshape(frames.rows.shape[1], len(state.centres))
        gram, matches = (flat.T @ flat).astype(np.float64), frames.match(flat)
        weights = state.weights
        update_weights(weights, gram, matches, LOWER[self.constraint])
        explained = 2 * np.vdot(weights, matches) - np.vdot(weights.T @ weights, gram)
        state.rescale()
        return float(frames.energy - explained) / (2 * len(frames))

    def _settled(self):
        if len(self.objective_) < 2:
            return False
        before, now = self.objective_[-2:]
        return before - now <= self.tol * before

    def _keep(self, state, frames):
        """State the result, components by falling energy."""
        energy = squares(state.components, 1).sum(0) * (state.weights**2).sum(0)
        order = np.argsort(-energy, kind="stable")
        components = state.components[:, :, order].transpose(2, 0, 1)
        self.components_ = np.ascontiguousarray(components)
        self.centres_ = state.centres[order]
        self.weights_ = state.weights[:, order].astype(components.dtype)
        self.n_components_, self.n_iter_ = len(order), len(self.objective_)
        self._asked = self.n_components
        self.lost_energy_ = frames.lost

    def _ramp(self, distance):
        return np.clip(
            (distance - self.inner_radius) / (self.outer_radius - self.inner_radius), 0, 1
        )

    def _penalties(self, centres, geodesics, dtype):
        """Penalties (V, K), mm."""
        penalty = np.empty((len(geodesics.vertices), len(centres)), dtype)
        for k, centre in enumerate(centres):
            penalty[:, k] = self.sparsity * self._ramp(geodesics.from_vertex(centre))
        return penalty


# Values are checked by `check_finite`, which names the frame.
_NUMBERS = {"dtype": (np.float64, np.float32), "order": "C", "ensure_all_finite": False}


@dataclass
class _State:
    """An iterate: weights (m, K), components (V, 3, K), centres (K,), penalty (V, K)."""

    weights: np.ndarray
    components: np.ndarray
    centres: np.ndarray
    penalty: np.ndarray

    def cost(self):
        """The penalty's part of the objective."""
        return float(np.vdot(self.penalty, np.sqrt(squares(self.components, 1))))

    def rescale(self):
        """Bring each component's largest weight to 1, which can only lower the penalty.

        A component that no frame uses, or that moves no vertex, could not meet the constraint and
        is dropped.
        """
        peak = np.abs(self.weights).max(0, initial=0.0)
        alive = (peak > 0) & self.components.any((0, 1))
        if not alive.all():
            self.weights, self.penalty = self.weights[:, alive], self.penalty[:, alive]
            self.components = self.components[:, :, alive]
            self.centres = self.centres[alive]
        top = peak[alive] * self._signs(peak[alive])
        self.weights /= top
        self.components *= top.astype(self.components.dtype)

    def _signs(self, peak):
        """(K,) of 1 or -1: the sign of each component's largest weight, of equal ones the skew's.

        Signed weights reach both bounds at once; the frames' order must not decide.
        """
        upper, lower = self.weights.max(0), -self.weights.min(0)
        skew = (self.weights**3).sum(0)
        equal = np.minimum(upper, lower) >= (1 - EQUAL) * peak
        return np.where(np.where(equal, skew < 0, lower > upper), -1.0, 1.0)
