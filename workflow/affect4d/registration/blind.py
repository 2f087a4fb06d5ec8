"""What the cylinder does not show of the nose: its underside and behind its wings.

Filling alone would let the underside hang where the template's would. Those vertices are drawn to
the nearest points of the scan that face the same way; they stay marked as filled, because nearest
points know nothing of correspondence.
"""

import numpy as np
from scipy.spatial import cKDTree

from affect4d.geometry.surface import vertex_normals
from affect4d.template.ibug68 import INNER_LIPS, SUBNASALE

# The underside of the nose: within this distance (mm) of its base, clear of the lips.
_REACH_MM, _LIPS_MM = 28.0, 6.0
# Scan points are taken within this distance (mm), among so many nearest, where they face alike.
_FARTHEST_MM, _NEAREST, _ALIKE = 8.0, 8, 0.3
# Rounds of drawing and of smoothing what was drawn.
_ROUNDS, _SMOOTHED = 3, 12


class BlindSpot:
    """The part of a template that is drawn to the nearest points.

    Parameters
    ----------
    template : Template
    smoother : Smoother of its topology
    """

    def __init__(self, template, smoother):
        base = np.linalg.norm(template.vertices - template.landmarks[SUBNASALE], axis=1)
        lips = cKDTree(template.landmarks[INNER_LIPS]).query(template.vertices)[0]
        self._nose = (base < _REACH_MM) & (lips > _LIPS_MM)
        self._triangles, self._smoother = template.triangles, smoother

    def draw(self, positions, seen, scan, triangles):
        """Positions (V, 3) float32 mm with the unseen part of the nose on the scan.

        Parameters
        ----------
        positions : (V, 3) mm
        seen : (V,) bool
        scan, triangles : (N, 3) mm and (F, 3)
        """
        blind = np.flatnonzero(self._nose & ~seen)
        if not len(blind):
            return positions
        low, high = positions[blind].min(0) - _FARTHEST_MM, positions[blind].max(0) + _FARTHEST_MM
        inside = ((scan > low) & (scan < high)).all(1)
        around = triangles[inside[triangles].any(1)]
        points, faces = np.unique(around, return_inverse=True)
        if len(points) < _NEAREST:
            return positions
        normals = vertex_normals(scan[points], faces.reshape(around.shape))
        tree = cKDTree(scan[points])
        for _ in range(_ROUNDS):
            step = np.zeros_like(positions)
            drawn = seen.copy()
            facing = vertex_normals(positions, self._triangles)[blind]
            found, near = _nearest(tree, normals, positions[blind], facing)
            step[blind[near]] = scan[points][found[near]] - positions[blind[near]]
            drawn[blind[near]] = True
            positions = positions + self._smoother.carry(step, drawn, blind, _SMOOTHED)
        return positions


def _nearest(tree, normals, places, facing):
    """Index of the nearest point that faces alike for each place, and where there is one."""
    distance, found = tree.query(places, k=_NEAREST, distance_upper_bound=_FARTHEST_MM)
    there = np.isfinite(distance)
    found = np.where(there, found, 0)
    alike = there & ((normals[found] * facing[:, None]).sum(2) > _ALIKE)
    first = alike.argmax(1)
    return np.take_along_axis(found, first[:, None], 1)[:, 0], alike.any(1)
