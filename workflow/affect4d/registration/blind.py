"""What the cylinder does not show of the nose: its underside and behind its wings.

Filling alone would leave the underside where the template has it. Those vertices are drawn to the
nearest points of the scan that face the same way; they stay marked as filled, because nearest
points carry no correspondence.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.geometry.surface import vertex_normals
from affect4d.registration.smooth import Smoother
from affect4d.template.ibug68 import INNER_LIPS, SUBNASALE
from affect4d.template.template import Template

# The underside of the template's nose: within this distance of the septum's base, and at least this
# far from the lips.
_NOSE_RADIUS_MM, _MIN_FROM_LIPS_MM = 28.0, 6.0
# Scan points that a vertex may be drawn to: within this distance, among so many nearest, and with
# at least this cosine between the normals (points on the far wall of a nostril face away).
_MAX_DISTANCE_MM, _NEIGHBOURS, _MIN_COSINE = 8.0, 8, 0.3
# Rounds of drawing, and passes that smooth what each has drawn: by experiment.
_ROUNDS, _SMOOTHING_PASSES = 3, 12


class BlindSpot:
    """The part of a template that is drawn to the nearest points.

    Parameters
    ----------
    template : the template
    smoother : of its topology
    """

    def __init__(self, template: Template, smoother: Smoother) -> None:
        base = np.linalg.norm(template.vertices - template.landmarks[SUBNASALE], axis=1)
        lips = cKDTree(template.landmarks[INNER_LIPS]).query(template.vertices)[0]
        self._nose = (base < _NOSE_RADIUS_MM) & (lips > _MIN_FROM_LIPS_MM)
        self._triangles, self._smoother = template.triangles, smoother

    def draw(
        self,
        positions: NDArray[np.float32],
        seen: NDArray[np.bool_],
        scan: NDArray[np.float32],
        *,
        triangles: NDArray[np.int32],
    ) -> NDArray[np.float32]:
        """Positions (V, 3) mm with the unseen part of the nose on the scan.

        Parameters
        ----------
        positions : (V, 3) mm
        seen : (V,)
        scan : (N, 3) mm, aligned
        triangles : (F, 3) of the scan
        """
        blind = np.flatnonzero(self._nose & ~seen)
        if not len(blind):
            return positions
        low = positions[blind].min(0) - _MAX_DISTANCE_MM
        high = positions[blind].max(0) + _MAX_DISTANCE_MM
        inside = ((scan > low) & (scan < high)).all(1)
        around = triangles[inside[triangles].any(1)]
        points, faces = np.unique(around, return_inverse=True)
        if len(points) < _NEIGHBOURS:
            return positions
        normals = vertex_normals(scan[points], faces.reshape(around.shape))
        tree = cKDTree(scan[points])
        for _ in range(_ROUNDS):
            step = np.zeros_like(positions)
            drawn = seen.copy()
            facing = vertex_normals(positions, self._triangles)[blind]
            nearest, near = _nearest(tree, normals, positions[blind], facing=facing)
            step[blind[near]] = scan[points][nearest[near]] - positions[blind[near]]
            drawn[blind[near]] = True
            positions = positions + self._smoother.carry(
                step, drawn, blind, passes=_SMOOTHING_PASSES
            )
        return positions


def _nearest(
    tree: cKDTree,
    normals: NDArray[np.float64],
    positions: NDArray[np.floating[Any]],
    *,
    facing: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The nearest point whose normal agrees with `facing`, for each position (N, 3): its index
    (N,), and whether there is one (N,)."""
    distance, neighbours = tree.query(
        positions, k=_NEIGHBOURS, distance_upper_bound=_MAX_DISTANCE_MM
    )
    exists = np.isfinite(distance)
    neighbours = np.where(exists, neighbours, 0)
    agrees = exists & ((normals[neighbours] * facing[:, None]).sum(2) > _MIN_COSINE)
    first = agrees.argmax(1)
    return np.take_along_axis(neighbours, first[:, None], 1)[:, 0], agrees.any(1)
