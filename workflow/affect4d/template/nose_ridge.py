"""Where the nose points of photographs lie on a template.

Photographs annotated after iBUG have point 30 on the tip of the nose and 27 ... 30 evenly along
the ridge. menpo3d's template stops short of the tip, 13 mm of ridge that no face model explains.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.template.ibug68 import NASION, NOSE_RIDGE, SUBNASALE

MIDLINE_MM = 3.0  # half width of the strip that is searched


def photograph_vertices(
    vertices: NDArray[np.floating[Any]], landmark_vertices: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """The 68 landmark vertices with 28 ... 30 moved along the ridge, so that 30 is the tip.

    Parameters
    ----------
    vertices : (V, 3) mm, the face looking along +z
    landmark_vertices : (68,), iBUG order

    Returns
    -------
    (68,); unchanged where 30 is the tip already and the others lie evenly
    """
    points = vertices[landmark_vertices].astype(np.float64)
    root, below = points[NASION], points[SUBNASALE]
    middle = (
        (np.abs(vertices[:, 0] - root[0]) < MIDLINE_MM)
        & (vertices[:, 1] > below[1])
        & (vertices[:, 1] < root[1])
        & (vertices[:, 2] > min(root[2], below[2]))
    )
    line = np.flatnonzero(middle)
    if not len(line):
        return np.asarray(landmark_vertices, dtype=np.int64)
    tip = vertices[line[np.argmax(vertices[line, 2])]]
    sought = root + np.linspace(0, 1, len(NOSE_RIDGE))[:, None] * (tip - root)
    moved = np.array(landmark_vertices, dtype=np.int64)
    moved[NOSE_RIDGE[1:]] = line[cKDTree(vertices[line]).query(sought)[1]][1:]
    return moved
