"""How far beyond the landmarks what they say of an expression is believed.

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

# The change is believed in full as far as this from the landmarks' hull, the width of a brow, and
# fades beyond like a normal distribution, over the reach of the muscles that move brows and chin.
_WHOLE_MM, _FADE_MM = 5.0, 20.0


def believed_share(template: Template, cylinder: Cylinder) -> NDArray[np.float32]:
    """Share (V, 1) of an expression's change, as predicted, that counts at each vertex.

    1 within the convex hull of the landmarks on the unwrapped cylinder, 0 far beyond.
    """
    plane, marked = (
        np.pad(cylinder.unwrap(points)[0], ((0, 0), (0, 1)))
        for points in (template.vertices, template.landmarks)
    )
    hull = marked[ConvexHull(marked[:, :2]).vertices]
    beyond = np.maximum(from_polygon(plane, hull) - _WHOLE_MM, 0)
    share: NDArray[np.float32] = np.exp(-0.5 * (beyond / _FADE_MM) ** 2).astype(np.float32)[:, None]
    return share
