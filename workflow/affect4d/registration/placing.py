"""Rigid placing of faces, by skin that follows the skull.

A neutral face is placed on the template around the corners of the eyes and the nose's bridge, where
faces are most alike. Frames are placed on their neutral face by all skin that the skull carries:
around the eyes an expression moves much of the little there is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.similarity import Similarity, fit_similarity
from affect4d.registration.track import FOLLOWED_RADIUS_MM
from affect4d.template.ibug68 import NOSE_RIDGE, NOSE_TIP, STABLE, SUBNASALE
from affect4d.template.template import Template

# Scales of the robust placing (Geman-McClure): from as wide as an expression moves skin to fine,
# the last repeated to converge.
_SCALES_MM = (5.0, 3.0, 2.0, 1.0, 1.0)
# Vertices that must be seen, or all count.
_MIN_SEEN = 40
# One in so many vertices counts: neighbours say the same.
_STABLE_STEP, _SKULL_STEP = 3, 5
# Standard deviation of the weights around a landmark, and where they end, in these.
_STABLE_MM, _STABLE_END = 9.0, 2
# How much more a vertex on the ridge of the nose counts, next to the bone: by experiment.
_RIDGE_WEIGHT = 3.0


class Support:
    """Vertices by which faces are placed: one in `step` of those with a weight (V,)."""

    def __init__(self, weights: NDArray[np.float64], step: int) -> None:
        self._vertices = np.flatnonzero(weights)[::step]
        self._weights = weights[self._vertices]

    def place(
        self,
        positions: NDArray[np.float32],
        seen: NDArray[np.bool_],
        target: NDArray[np.floating[Any]],
    ) -> NDArray[np.float32]:
        """Positions (V, 3) mm moved rigidly to a target (V, 3) mm; reweighted (Geman-McClure), so
        that skin which an expression moved does not count."""
        weights = self._weights * seen[self._vertices]
        if (weights > 0).sum() < _MIN_SEEN:
            weights = self._weights
        source, goal = positions[self._vertices], target[self._vertices]
        current = weights
        for scale_mm in _SCALES_MM:
            rigid = fit_similarity(source, goal, current, scale=False)
            distance = np.linalg.norm(rigid.apply(source) - goal, axis=1)
            current = weights / (1.0 + (distance / scale_mm) ** 2) ** 2
        return moved(rigid, positions)


def stable_skin(template: Template) -> Support:
    """Around the nose's bridge and the corners of the eyes."""
    return Support(_around(template, STABLE), _STABLE_STEP)


def skull_skin(template: Template, area: NDArray[np.float64]) -> Support:
    """All skin that is followed above the base of the nose, by its area (V,) mm^2, 0 where it does
    not count.

    That before the ears and on the temples, which expressions move least, is part of it. Ears and
    scalp are found less well than they would hold the face; below, jaw and neck move what the skull
    does not.
    """
    near = np.linalg.norm(template.vertices - template.landmarks[NOSE_TIP], axis=1)
    above = template.vertices[:, 1] > template.landmarks[SUBNASALE, 1]
    skin = area * (above & (near < FOLLOWED_RADIUS_MM))
    ridge = _RIDGE_WEIGHT * _around(template, NOSE_RIDGE[:-1])
    return Support(skin / area[template.inner].mean() + ridge, _SKULL_STEP)


def _around(template: Template, landmarks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights (V,) from 1 at landmarks to 0."""
    weights = np.zeros(len(template.vertices))
    for point in template.landmarks[landmarks]:
        distance = np.linalg.norm(template.vertices - point, axis=1) / _STABLE_MM
        weights = np.maximum(weights, np.exp(-0.5 * distance**2) * (distance < _STABLE_END))
    return weights


def moved(similarity: Similarity, points: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Points (N, 3) under a similarity, computed about one of them, so that no digit of a far scan
    is lost."""
    origin = points[len(points) // 2].astype(np.float64)
    near = (points - origin.astype(points.dtype)).astype(np.float32, copy=False)
    matrix = (similarity.scale * similarity.rotation.T).astype(np.float32)
    moved: NDArray[np.float32] = near @ matrix
    moved += similarity.apply(origin).astype(np.float32)
    return moved
