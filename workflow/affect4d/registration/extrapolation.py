"""Extrapolation of an expression beyond the landmarks, weighted down with distance.

Between landmarks the change from the neutral face is interpolated. Beyond them, on the forehead
and the neck, the prior would continue it linearly: brows that frown by 6 mm took the hairline down
by 10 to 27 mm, farther than a tracker finds its way back.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from affect4d.registration.cylinder import Cylinder
from affect4d.registration.lids import from_polygon
from affect4d.template.template import Template

# The weight is 1 as far as this from the landmarks' hull, the width of a brow, and falls beyond as
# a Gaussian of this standard deviation, over the reach of the muscles that move brows and chin.
_FULL_MM, _DECAY_MM = 5.0, 20.0


def extrapolation_weight(template: Template, cylinder: Cylinder) -> NDArray[np.float32]:
    """Weight (V, 1) of an expression's change, as predicted, at each vertex.

    1 within the convex hull of the landmarks on the unwrapped cylinder, 0 far beyond.
    """
    plane, marked = (
        np.pad(cylinder.unwrap(points)[0], ((0, 0), (0, 1)))
        for points in (template.vertices, template.landmarks)
    )
    hull = marked[ConvexHull(marked[:, :2]).vertices]
    beyond = np.maximum(from_polygon(plane, hull) - _FULL_MM, 0)
    weight: NDArray[np.float32] = np.exp(-0.5 * (beyond / _DECAY_MM) ** 2).astype(np.float32)
    return weight[:, None]
