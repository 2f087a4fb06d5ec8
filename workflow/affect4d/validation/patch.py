"""The part of the template that validation looks at: the inner face, thinned.

Several hundred components stay affordable on a few thousand vertices, each one of the template's
own, and the neighbouring vertices left out move with those kept.
"""

from dataclasses import dataclass

import igl
import numpy as np


@dataclass(frozen=True)
class Patch:
    """A part of the template.

    Attributes
    ----------
    index : (P,) int array, the template's vertices kept
    vertices : (P, 3), mm
    triangles : (F, 3) int array into the kept vertices
    """

    index: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray


def make_patch(vertices, triangles, inner, count):
    """Thin the inner face to about `count` vertices by edge collapse; 0 keeps the whole mesh.

    Parameters
    ----------
    vertices : (V, 3), mm
    triangles : (F, 3)
    inner : (V,) bool
    count : int
    """
    if count == 0:
        return Patch(np.arange(len(vertices)), vertices, triangles)
    index = np.flatnonzero(inner)
    position = np.full(len(vertices), -1)
    position[index] = np.arange(len(index))
    triangles = position[triangles[inner[triangles].all(1)]]
    if count < len(index):
        _, triangles, _, birth = igl.decimate(
            np.asfortranarray(vertices[index], dtype=np.float64),
            np.asfortranarray(triangles, dtype=np.int32),
            2 * count,
        )
        index = index[birth]
    return Patch(index, vertices[index], triangles)
