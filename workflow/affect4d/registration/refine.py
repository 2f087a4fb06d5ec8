"""Dense refinement: the template's modes fitted to landmarks and surface together.

Landmarks say little about cheeks and forehead, and carry noise. The surface is known everywhere,
but only across itself, not along: each sample of the template is drawn to the tangent plane of the
scan under it (point to plane, Chen & Medioni 1992), each landmark to its target, and the prior
couples them. Gauss-Newton: per step one symmetric product and one Cholesky factor of 3 M unknowns,
fewer while the correspondence is still coarse.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from affect4d.registration.cylinder import UnwrappedScan
from affect4d.registration.prior import Prior, scatter
from affect4d.registration.robust import Checked
from affect4d.registration.spline import combine
from affect4d.template.ibug68 import NOSE_TIP
from affect4d.template.template import Template

# Spacing of the samples, in the prior's.
_SAMPLE_SPACING = 0.65
# Samples lie within this distance of the nose tip, short of the prior's points, so that each sample
# lies among them.
_SAMPLED_RADIUS_MM = 100.0
# The surface has no weight beyond this distance, and less from here on (Geman-McClure), or from so
# many median distances where the correspondence is still coarse.
_MAX_DISTANCE_MM, _SCALE_MM, _SCALE_MEDIANS = 8.0, 1.5, 3.0
# The standard deviation of a landmark is taken to lie in between: from marked by hand to a poor
# detector.
_LANDMARK_SD_MM = (0.2, 4.0)
# Modes of every step but the last, which need not be exact.
_LEADING_MODES = 110
# Added to the system's diagonal, in its units: above the rounding of the float32 product.
_RIDGE = 1e-5
_MIN_NORMAL = 1e-9  # mm^2: no division by zero at a degenerate triangle
_AFFINE = 4  # modes at the end, which every step uses


class Refiner:
    """Fits a prior to scans.

    Parameters
    ----------
    template, prior : the template and its modes
    weights : (68,), how far each landmark is trusted
    shown : (V,), vertices that the cylinder shows
    noise : standard deviation of the surface, mm; where it lies farther off, greater
    """

    def __init__(
        self,
        template: Template,
        prior: Prior,
        *,
        weights: NDArray[np.float64],
        shown: NDArray[np.bool_],
        noise: float,
    ) -> None:
        self._prior, self._weights, self._noise = prior, weights, noise
        vertices = template.vertices.astype(float)
        near = np.linalg.norm(vertices - template.landmarks[NOSE_TIP], axis=1) < _SAMPLED_RADIUS_MM
        samples = scatter(
            vertices, template.landmarks, np.flatnonzero(shown & near), scale=_SAMPLE_SPACING
        )
        self._corners = _one_triangle_each(template.triangles, samples)
        self._at_corners = prior.modes[self._corners].reshape(-1, prior.modes.shape[1])
        self._at_samples = np.ascontiguousarray(prior.modes[self._corners[:, 0]])
        count = prior.modes.shape[1]
        self._all = np.arange(count)
        self._leading = np.r_[: min(_LEADING_MODES, count - _AFFINE), count - _AFFINE : count]
        self._at_landmarks = prior.modes[template.landmark_vertices].astype(np.float64)

    def refine(
        self,
        landmarks: Checked,
        field: NDArray[np.float32],
        scan: UnwrappedScan,
        *,
        base: NDArray[np.float32],
        amplitude: float,
        steps: int,
    ) -> NDArray[np.float32]:
        """The displacement of every vertex.

        Parameters
        ----------
        landmarks : how the scan's lie off the base's
        field : (V, 3) mm, where to start
        scan : the scan on the cylinder
        base : (V, 3) mm, the face from which the prior measures: the template, or a neutral face
        amplitude : mm^2 over the kernel's, of the field through the landmarks
        steps : Gauss-Newton steps

        Returns
        -------
        (V, 3) mm, from the base
        """
        keep = landmarks.keep
        variance = np.clip(landmarks.stiffness * amplitude, *np.square(_LANDMARK_SD_MM))
        scale = np.sqrt(self._weights[keep] / variance)[:, None]
        at_landmarks = self._at_landmarks[keep] * scale, landmarks.displacement[keep] * scale
        start = base[self._corners]
        corners = start + field[self._corners]
        for step in range(steps):
            chosen = self._all if step == steps - 1 else self._leading
            planes = self._planes(corners, start[:, 0], scan)
            solution = self._solve(chosen, planes, at_landmarks, amplitude=amplitude)
            corners = start + combine(self._at_corners, solution).reshape(start.shape)
        return combine(self._prior.modes, solution) if steps else field

    def _planes(
        self, corners: NDArray[np.float32], start: NDArray[np.float32], scan: UnwrappedScan
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weighted normals (N, 3) of the samples and their weighted distance (N,) from the start to
        the scan's surface."""
        position = corners[:, 0]
        normal = np.cross(corners[:, 1] - position, corners[:, 2] - position)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), _MIN_NORMAL)
        cylinder = scan.cylinder
        located = scan.locate(cylinder.pixels(cylinder.unwrap(position)[0]))
        surface = scan.points(located)
        distance = ((surface - position) * normal).sum(1)
        near = located.triangle >= 0
        near &= np.linalg.norm(surface - position, axis=1) < _MAX_DISTANCE_MM
        spread = float(np.median(np.abs(distance[near]))) if near.any() else 0.0
        scale, noise = max(_SCALE_MM, _SCALE_MEDIANS * spread), max(self._noise, spread / 2)
        trust = near / (1 + (distance / scale) ** 2) / noise
        value = trust * ((surface - start) * normal).sum(1)
        return (normal * trust[:, None]).astype(np.float32), value.astype(np.float32)

    def _solve(
        self,
        chosen: NDArray[np.int64],
        planes: tuple[NDArray[np.float32], NDArray[np.float32]],
        at_landmarks: tuple[NDArray[np.float64], NDArray[np.float64]],
        *,
        amplitude: float,
    ) -> NDArray[np.float32]:
        """Coefficients (M, 3); zero but for the chosen modes.

        Parameters
        ----------
        chosen : (m,), indices of modes
        planes : see `_planes`
        at_landmarks : weighted modes (L, M) and displacements (L, 3) mm at the landmarks
        amplitude : see `refine`
        """
        normals, value = planes
        rows, displacement = at_landmarks
        rows = rows[:, chosen]
        count = len(chosen)
        jacobian = (normals[:, :, None] * self._at_samples[:, None, chosen]).reshape(len(value), -1)
        system = (jacobian.T @ jacobian).astype(np.float64)
        total = (jacobian.T @ value).astype(np.float64)
        fixed, right = rows.T @ rows, rows.T @ displacement
        for axis in range(3):
            block = slice(axis * count, (axis + 1) * count)
            system[block, block] += fixed
            total[block] += right[:, axis]
        diagonal = np.einsum("ii->i", system)
        diagonal += self._prior.precision[:, chosen].ravel() / amplitude
        diagonal *= 1 + _RIDGE
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        solution = np.zeros((self._at_samples.shape[1], 3), dtype=np.float32)
        solution[chosen] = cho_solve(factor, total).reshape(3, count).T
        return solution


def _one_triangle_each(
    triangles: NDArray[np.int32], vertices: NDArray[np.int64]
) -> NDArray[np.int32]:
    """A triangle (N, 3) of each vertex, rolled so that the vertex comes first."""
    corner = np.arange(triangles.size)
    first = np.full(triangles.max() + 1, -1)
    first[triangles.ravel()[::-1]] = corner[::-1]
    face, side = np.divmod(first[vertices], 3)
    return triangles[face[:, None], (side[:, None] + np.arange(3)) % 3]
