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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from affect4d.blendshapes.compression import (
    Floats,
    TrainingFrames,
    check_finite,
    compress,
    frames_in_memory,
    is_lazy,
)
from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.initialisation import initialise_greedily, squared_lengths
from affect4d.blendshapes.steps import update_components, update_weights

LOWER = {"nonnegative": 0.0, "signed": -1.0}  # bound of the weights
EQUAL_MODULI = 1e-9  # relative difference of the largest weights' moduli that is rounding error


class SparseLocalizedPCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Components that are sparse and local on a mesh.

    Parameters
    ----------
    n_components
        Capped at the number of frames and of components that carry motion, with a warning.
    constraint : {"nonnegative", "signed"}
        Weights in [0, 1] with maximum 1 per component, or in [-1, 1] with maximum modulus 1; both
        hold exactly.
    sparsity
        Full penalty, mm: mean weighted motion below which a vertex far from a centre is at rest.
    inner_radius, outer_radius
        Geodesic distances, mm, from a component's centre between which its penalty rises.
    centre_updates
        Iterations in which centres may move; they are the first ones.
    max_iter
        Iterations at most.
    tol
        Relative decrease of the objective, centres unmoved, at which the fit stops.
    energy_tolerance
        Share of the energy |D|^2 that may be lost, in all, where an array is read by blocks and
        compressed to its strongest directions of motion; see `compression`.
    warm_start
        Start from the components and centres of the last fit, of the same `n_components` and on the
        same mesh; these centres stay. A last fit that found fewer is no start.

    Attributes
    ----------
    components_ : (K, V, 3), mm, by falling energy
    weights_ : (m, K)
    centres_ : (K,), vertex indices
    objective_ : mm^2
        After each iteration; never rising, but for rounding in float32.
    lost_energy_ : mm^2
        |E|^2 of what compression left out of D, 0 where there was none. The objective counts it as
        if no component described any of it. The true fit differs by <E, W C> / m, which is at most
        |E| |D - E - W C| / m.
    n_components_ : K
    n_iter_ : iterations
    """

    components_: Floats
    weights_: Floats
    centres_: NDArray[np.int64]
    objective_: list[float]
    lost_energy_: float

    def __init__(
        self,
        n_components: int = 8,
        constraint: str = "nonnegative",
        sparsity: float = 0.15,
        *,
        inner_radius: float = 15.0,
        outer_radius: float = 70.0,
        centre_updates: int = 3,
        max_iter: int = 50,
        tol: float = 1e-3,
        energy_tolerance: float = 0.05,
        warm_start: bool = False,
    ) -> None:
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

    def fit(
        self,
        D: Any,
        y: None = None,
        *,
        vertices: NDArray[np.floating],
        triangles: NDArray[np.integer],
        geodesics: Geodesics | None = None,
    ) -> "SparseLocalizedPCA":
        """Decompose difference vectors.

        Parameters
        ----------
        D : (m, 3V) float32 or float64, mm
            One frame per row, (V, 3) ravelled; the work is done in its precision. An array that is
            not in memory, such as Zarr's or Dask's, is read once, by blocks of rows, and
            compressed; it may also be (m, V, 3), with the coordinates of a vertex last.
        y : ignored
        vertices : (V, 3), mm
        triangles : (F, 3)
        geodesics
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
        elif not geodesics.cover(vertices, triangles, self.outer_radius):
            raise ValueError("geodesics are of another mesh, or end before outer_radius")
        frames = self._read(D, len(geodesics.vertices))
        # what the last fit's frames did not move could never come back
        warm = self.warm_start and len(getattr(self, "components_", ())) == self._last_requested()
        state = self._resume(frames, geodesics) if warm else self._initialise(frames, geodesics)
        self.objective_ = []
        for iteration in range(self.max_iter):
            recentres = not warm and 0 < iteration <= self.centre_updates
            moved = recentres and self._recentre(state, geodesics)
            self.objective_.append(self._alternate(state, frames))
            if not moved and self._has_converged():
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
        self._store_results(state, frames)
        return self

    def fit_transform(self, D: Any, y: None = None, **mesh: Any) -> Floats:
        """Fit and return the weights (m, K), on which the constraint holds exactly."""
        return self.fit(D, **mesh).weights_

    def transform(self, D: Any) -> Floats:
        """Weights (m, K) of other frames, in memory: least squares in the constraint's box."""
        check_is_fitted(self)
        D = validate_data(self, D, reset=False, **_NUMBERS)
        check_finite(D, 0)
        flat = self.components_.reshape(len(self.components_), D.shape[1])
        weights = np.zeros((len(D), len(flat)))
        gram, matches = (flat @ flat.T).astype(np.float64), (D @ flat.T).astype(np.float64)
        update_weights(weights, gram, matches, LOWER[self.constraint])
        in_precision: Floats = weights.astype(D.dtype)
        return in_precision

    def inverse_transform(self, weights: Any) -> Floats:
        """Difference vectors (m, 3V), mm, of weights (m, K)."""
        check_is_fitted(self)
        flat = self.components_.reshape(len(self.components_), self.n_features_in_)
        vectors: Floats = np.asarray(weights, dtype=flat.dtype) @ flat
        return vectors

    def _check_parameters(self) -> None:
        if self.constraint not in LOWER:
            raise ValueError(f"constraint is one of {sorted(LOWER)}, not {self.constraint!r}")
        if not 0 <= self.inner_radius < self.outer_radius < np.inf:
            raise ValueError("0 <= inner_radius < outer_radius must hold, both finite")
        for name, minimum in (("n_components", 1), ("max_iter", 1), ("centre_updates", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or int(value) < minimum:
                raise ValueError(f"{name} is a whole number from {minimum}, not {value!r}")
        if not 0 <= self.sparsity < np.inf:
            raise ValueError(f"sparsity is finite and not negative, not {self.sparsity!r}")
        for name in ("tol", "energy_tolerance"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} lies in [0, 1), not at {getattr(self, name)!r}")

    def _read(self, D: Any, vertices: int) -> TrainingFrames:
        """D as TrainingFrames, once its width is found to be the mesh's."""
        lazy = is_lazy(D)
        if not lazy:
            D = validate_data(self, D, **_NUMBERS)
        width = 3 * vertices
        if tuple(D.shape[1:]) not in {(width,), (vertices, 3)}:
            shape = "x".join(map(str, D.shape))
            raise ValueError(f"D is {shape}, where the mesh has {vertices} vertices")
        if D.shape[0] == 0:
            raise ValueError("D has no frames")
        self.n_features_in_ = width
        return compress(D, self.energy_tolerance) if lazy else frames_in_memory(D)

    def _initialise(self, frames: TrainingFrames, geodesics: Geodesics) -> "_Iterate":
        weights, components, centres = initialise_greedily(
            frames,
            min(self.n_components, len(frames)),
            nonnegative=self.constraint == "nonnegative",
            support_of=lambda centre: 1 - self._ramp(geodesics.from_vertex(centre)),
        )
        penalty = self._penalties(centres, geodesics, components.dtype)
        return _Iterate(weights, components, centres, penalty)

    def _last_requested(self) -> int | None:
        """How many components the last fit was asked for; None before the first."""
        return getattr(self, "_requested", None)

    def _resume(self, frames: TrainingFrames, geodesics: Geodesics) -> "_Iterate":
        """The last fit's components, with the weights that suit these frames best."""
        if self.n_components != self._requested:
            raise ValueError(
                f"warm_start: the last fit was of {self._requested} components, "
                f"not {self.n_components}"
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
        state = _Iterate(weights, components, self.centres_.copy(), penalty)
        self._weigh(state, frames)
        return state

    def _recentre(self, state: "_Iterate", geodesics: Geodesics) -> bool:
        """Move centres to where their components are longest, if that costs less; whether any did.

        A component longest at its own support's rim would cost more from there.
        """
        lengths = np.sqrt(squared_lengths(state.components, 1))
        longest = lengths.argmax(0)
        candidates = np.flatnonzero(longest != state.centres)
        penalty = self._penalties(longest[candidates], geodesics, lengths.dtype)
        before, after = (
            (field * lengths[:, candidates]).sum(0)
            for field in (state.penalty[:, candidates], penalty)
        )
        moved = candidates[after < before]
        state.centres[moved] = longest[moved]
        state.penalty[:, moved] = penalty[:, after < before]
        return len(moved) > 0

    def _alternate(self, state: "_Iterate", frames: TrainingFrames) -> float:
        """One iteration; returns the objective at its end."""
        dtype = state.components.dtype
        gram = (state.weights.T @ state.weights / len(frames)).astype(dtype)
        correlation = frames.project(state.weights).reshape(state.components.shape)
        update_components(state.components, gram, correlation, state.penalty)
        fit = self._weigh(state, frames)
        return fit + state.cost()

    def _weigh(self, state: "_Iterate", frames: TrainingFrames) -> float:
        """The weights' step; returns the fit, mean over frames."""
        flat = state.components.reshape(frames.rows.shape[1], len(state.centres))
        gram, matches = (flat.T @ flat).astype(np.float64), frames.match(flat)
        weights = state.weights
        update_weights(weights, gram, matches, LOWER[self.constraint])
        explained = 2 * np.vdot(weights, matches) - np.vdot(weights.T @ weights, gram)
        state.rescale()
        return float(frames.energy - explained) / (2 * len(frames))

    def _has_converged(self) -> bool:
        if len(self.objective_) < 2:
            return False
        before, now = self.objective_[-2:]
        return before - now <= self.tol * before

    def _store_results(self, state: "_Iterate", frames: TrainingFrames) -> None:
        """Set the fitted attributes, components by falling energy."""
        energy = squared_lengths(state.components, 1).sum(0) * (state.weights**2).sum(0)
        order = np.argsort(-energy, kind="stable")
        components = state.components[:, :, order].transpose(2, 0, 1)
        self.components_ = np.ascontiguousarray(components)
        self.centres_ = state.centres[order]
        self.weights_ = state.weights[:, order].astype(components.dtype)
        self.n_components_, self.n_iter_ = len(order), len(self.objective_)
        self._requested = self.n_components
        self.lost_energy_ = frames.lost

    def _ramp(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (distance - self.inner_radius) / (self.outer_radius - self.inner_radius)
        return np.clip(share, 0, 1)

    def _penalties(self, centres: NDArray[np.int64], geodesics: Geodesics, dtype: Any) -> Floats:
        """Penalties (V, K), mm."""
        penalty: Floats = np.empty((len(geodesics.vertices), len(centres)), dtype)
        for k, centre in enumerate(centres):
            penalty[:, k] = self.sparsity * self._ramp(geodesics.from_vertex(centre))
        return penalty


# Values are checked by `check_finite`, which names the frame.
_NUMBERS = {"dtype": (np.float64, np.float32), "order": "C", "ensure_all_finite": False}


@dataclass
class _Iterate:
    """An iterate: weights (m, K), components (V, 3, K), centres (K,), penalty (V, K)."""

    weights: NDArray[np.float64]
    components: Floats
    centres: NDArray[np.int64]
    penalty: Floats

    def cost(self) -> float:
        """The penalty's part of the objective."""
        return float(np.vdot(self.penalty, np.sqrt(squared_lengths(self.components, 1))))

    def rescale(self) -> None:
        """Bring each component's largest weight to 1, which can only lower the penalty.

        A component that no frame uses, or that moves no vertex, could not meet the constraint and
        is dropped.
        """
        peak = np.abs(self.weights).max(0, initial=0.0)
        used = (peak > 0) & self.components.any((0, 1))
        if not used.all():
            self.weights, self.penalty = self.weights[:, used], self.penalty[:, used]
            self.components = self.components[:, :, used]
            self.centres = self.centres[used]
        top = peak[used] * self._signs(peak[used])
        self.weights /= top
        self.components *= top.astype(self.components.dtype)

    def _signs(self, peak: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) of 1 or -1: the sign of each component's largest weight, of equal ones the skew's.

        Signed weights reach both bounds at once; the frames' order must not decide.
        """
        upper, lower = self.weights.max(0), -self.weights.min(0)
        skew = (self.weights**3).sum(0)
        equal = np.minimum(upper, lower) >= (1 - EQUAL_MODULI) * peak
        return np.where(np.where(equal, skew < 0, lower > upper), -1.0, 1.0)
