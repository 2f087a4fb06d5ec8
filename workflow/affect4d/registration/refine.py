"""Dense refinement: the template's modes fitted to landmarks and surface together.

Landmarks say little about cheeks and forehead, and carry noise. The surface is known everywhere,
but only across itself, not along: each sample of the template is drawn to the tangent plane of the
scan under it (point to plane, Chen & Medioni 1992), each landmark to its place, and the prior holds
them together. Gauss-Newton: per step one symmetric product and one Cholesky factor of 3 M unknowns,
fewer while the correspondence is still coarse.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from affect4d.registration.cylinder import sample
from affect4d.registration.prior import scatter
from affect4d.registration.spline import combine
from affect4d.template.ibug68 import NOSE_TIP

# Samples lie this much closer than the prior's points.
_SAMPLING = 0.65
# Samples lie within this distance (mm) of the nose tip.
_REACH_MM = 100.0
# The scan is not believed beyond this (mm), and less from here on (Geman-McClure).
_FARTHEST_MM, _DOUBTFUL_MM = 8.0, 1.5
# A landmark's noise is taken to lie in between (mm): the surface decides the rest.
_LANDMARK_MM = (0.2, 4.0)
# Modes of every step but the last, which need not be exact.
_LEADING = 110
# Beyond the rounding of the single-precision product.
_RIDGE = 1e-5


class Refiner:
    """Fits a prior to scans.

    Parameters
    ----------
    template : Template
    prior : Prior
    weights : (68,), how far each landmark is trusted
    shown : (V,) bool, vertices that the cylinder shows
    noise : mm, how far the surface is trusted; where it lies further off, less
    """

    def __init__(self, template, prior, weights, shown, noise):
        self._template, self._prior, self._weights, self._noise = template, prior, weights, noise
        vertices = template.vertices.astype(float)
        near = np.linalg.norm(vertices - template.landmarks[NOSE_TIP], axis=1) < _REACH_MM
        places = scatter(vertices, template.landmarks, np.flatnonzero(shown & near), _SAMPLING)
        self._corners = _one_triangle_each(template.triangles, places)
        self._at_corners = prior.modes[self._corners].reshape(-1, prior.modes.shape[1])
        self._at_samples = np.ascontiguousarray(prior.modes[self._corners[:, 0]])
        count = prior.modes.shape[1]
        self._all = np.arange(count)
        self._leading = np.r_[: min(_LEADING, count - 4), count - 4 : count]
        self._at_landmarks = prior.modes[template.landmark_vertices].astype(np.float64)

    def refine(self, checked, amplitude, field, scan, plane, cylinder, steps):
        """The displacement of every vertex.

        Parameters
        ----------
        checked : Checked landmarks
        amplitude : mm^2 over the kernel's, of the field through the landmarks
        field : (V, 3) mm, where to start
        scan : (N, 3) float32 mm, aligned
        plane : Plane of the scan
        cylinder : Cylinder
        steps : int

        Returns
        -------
        (V, 3) float32, mm
        """
        keep = checked.keep
        variance = np.clip(checked.stiffness * amplitude, *np.square(_LANDMARK_MM))
        scale = np.sqrt(self._weights[keep] / variance)[:, None]
        marks = self._at_landmarks[keep] * scale, checked.displacement[keep] * scale
        start = self._template.vertices[self._corners]
        corners = start + field[self._corners]
        for step in range(steps):
            chosen = self._all if step == steps - 1 else self._leading
            normals, value = self._planes(corners, start[:, 0], scan, plane, cylinder)
            solution = self._solve(chosen, normals, value, marks, amplitude)
            corners = start + combine(self._at_corners, solution).reshape(start.shape)
        return combine(self._prior.modes, solution) if steps else field

    def _planes(self, corners, start, scan, plane, cylinder):
        """Weighted normals (N, 3) of the samples and their weighted distance (N,) from the start to
        the scan's surface."""
        place = corners[:, 0]
        normal = np.cross(corners[:, 1] - place, corners[:, 2] - place)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        triangle, weights = plane.locate(cylinder.pixels(cylinder.unwrap(place)[0]))
        found = sample(scan, plane.triangles, triangle, weights)
        distance = ((found - place) * normal).sum(1)
        near = (triangle >= 0) & (np.linalg.norm(found - place, axis=1) < _FARTHEST_MM)
        spread = float(np.median(np.abs(distance[near]))) if near.any() else 0.0
        doubtful, noise = max(_DOUBTFUL_MM, 3 * spread), max(self._noise, spread / 2)
        trust = near / (1 + (distance / doubtful) ** 2) / noise
        value = trust * ((found - start) * normal).sum(1)
        return (normal * trust[:, None]).astype(np.float32), value.astype(np.float32)

    def _solve(self, chosen, normals, value, marks, amplitude):
        """Coefficients (M, 3) float32; zero but for the chosen modes."""
        rows, pull = marks
        rows = rows[:, chosen]
        count = len(chosen)
        jacobian = (normals[:, :, None] * self._at_samples[:, None, chosen]).reshape(len(value), -1)
        system = (jacobian.T @ jacobian).astype(np.float64)
        total = (jacobian.T @ value).astype(np.float64)
        fixed, right = rows.T @ rows, rows.T @ pull
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


def _one_triangle_each(triangles, vertices):
    """A triangle (N, 3) of each vertex, rolled so that the vertex comes first."""
    corner = np.arange(triangles.size)
    first = np.full(triangles.max() + 1, -1)
    first[triangles.ravel()[::-1]] = corner[::-1]
    place = first[vertices]
    face, side = place // 3, place % 3
    return triangles[face[:, None], (side[:, None] + np.arange(3)) % 3]
