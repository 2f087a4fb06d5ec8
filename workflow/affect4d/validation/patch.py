"""The part of the template that validation uses: the inner face, decimated.

Several hundred components stay affordable on a few thousand vertices, each one of the
template's, and the neighbouring vertices that are removed move with those kept.
"""

from dataclasses import dataclass

import igl
import numpy as np
from numpy.typing import NDArray

TRIANGLES_PER_VERTEX = 2  # of a large triangle mesh (Euler's formula)


@dataclass(frozen=True)
class Patch:
    """A part of the template.

    Attributes
    ----------
    index : (P,), the template's vertices kept
    vertices : (P, 3), mm
    triangles : (F, 3) into the kept vertices
    """

    index: NDArray[np.int64]
    vertices: NDArray[np.float32]
    triangles: NDArray[np.integer]


def make_patch(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.integer],
    *,
    inner: NDArray[np.bool_],
    count: int,
) -> Patch:
    """Thin the inner face to about `count` vertices by edge collapse; 0 keeps all of the mesh.

    Parameters
    ----------
    vertices : (V, 3), mm
    triangles : (F, 3)
    inner : (V,), vertices of the inner face
    count : vertices
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
            TRIANGLES_PER_VERTEX * count,
        )
        index = index[birth]
    return Patch(index, vertices[index], triangles)
