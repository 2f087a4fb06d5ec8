"""The eyes' outlines where the neutral frame's landmarks have them.

The prior is smooth, and much surface outweighs few landmarks: lids of another shape than the
template's end up beside their landmarks, on the skin or on the eye. A correction of the neutral
frame brings them there; the other frames of its sequence have the same, so that it adds no noise to
how they differ.
"""

import igl
import numpy as np
from numpy.typing import NDArray

from affect4d.registration.robust import Checked
from affect4d.registration.spline import SurfaceSpline
from affect4d.template.ibug68 import EYE_OUTLINES
from affect4d.template.template import Template

# The correction is complete within this distance of the eye, and falls off beyond (a Gaussian's
# standard deviation) to no less than this share: by experiment.
_WHOLE_MM, _FADE_MM, _MIN_SHARE = 1.5, 3.0, 0.02


class Lids:
    """The part of a template around the eyes.

    Parameters
    ----------
    template : the template
    spline : on it, which spreads what is known at landmarks
    """

    def __init__(self, template: Template, spline: SurfaceSpline) -> None:
        distances = np.array([from_outline(template, eye) for eye in EYE_OUTLINES])
        away = np.maximum(distances.min(axis=0) - _WHOLE_MM, 0)
        share = np.exp(-0.5 * (away / _FADE_MM) ** 2)
        self._rows = np.flatnonzero(share > _MIN_SHARE)
        self._eye = distances.argmin(axis=0)[self._rows]
        self._share = share[self._rows, None].astype(np.float32)
        self._template, self._spline = template, spline
        self._part = spline.part(self._rows)

    def correction(self, checked: Checked, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """What brings the predicted vertices (V, 3) mm to the landmarks: (n, 3) mm; nothing where
        these have the noise of a single frame, which is as great, nor at an eye that has hardly
        any: what lies off elsewhere says nothing of it."""
        if not checked.of_sequence:
            return np.zeros((len(self._rows), 3), dtype=np.float32)
        at = self._template.landmark_vertices
        missed = checked.displacement - (predicted[at] - self._template.vertices[at])
        coefficients, _, _ = self._spline.fit(missed, checked.stiffness, checked.keep)
        known = np.array([2 * checked.keep[eye].sum() > len(eye) for eye in EYE_OUTLINES])
        share = self._share * known[self._eye, None]
        correction: NDArray[np.float32] = share * self._part.evaluate(coefficients)
        return correction

    def corrected(
        self, predicted: NDArray[np.float32], correction: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The predicted vertices (V, 3) mm with a correction (n, 3) mm."""
        moved = predicted.copy()
        moved[self._rows] += correction
        return moved


def from_outline(template: Template, outline: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance (V,) mm of the vertices from the surface that landmarks (n,) in order enclose."""
    return from_polygon(template.vertices, template.landmarks[outline])


def from_polygon(
    points: NDArray[np.floating], corners: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Distance (N,) of points (N, 3) from the triangles between a polygon's corners (n, 3), in
    order, and their mean."""
    count = len(corners)
    around = np.arange(count)
    fan = np.stack([around, np.roll(around, -1), np.full(count, count)], axis=1)
    surface = np.vstack([corners, corners.mean(axis=0)])
    squared = igl.point_mesh_squared_distance(points.astype(np.float64), surface, fan)[0]
    return np.sqrt(np.asarray(squared, dtype=np.float64))
