"""Which pixels of a photograph show the fitted face, and a lattice of every other one of them.

All stages share it: flows are followed at the nodes of the lattice, a quarter of the pixels.
"""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

STEP = 2  # pixels between neighbouring nodes; the kernels that double the lattice rely on 2
NOTHING = -1  # in place of a triangle or a pixel's number
REACH = 0.4  # inter-ocular distances beyond the face's edge; farther away nothing moves


class Lattice:
    """The pixels of one Scene.

    Attributes
    ----------
    known : (H, W), pixels that show the face; the flow elsewhere is a continuation
    far : (H, W), pixels that nothing moves
    triangle_ids : (H, W), the submesh's triangle at each pixel, wholly seen or not; else NOTHING
    index : (H, W), number of each known pixel, row by row; NOTHING elsewhere
    corners : (P, 3), vertices of the submesh around the known pixels
    weights : (P, 3), their barycentric weights
    nodes : (h, w), `known` at the nodes
    """

    def __init__(self, scene: Scene, mesh: VisibleSubmesh) -> None:
        ids, weights = scene.raster
        self.known: NDArray[np.bool_] = (ids >= 0) & (scene.visible & ~scene.anatomy.eyes)[ids]
        position = np.full(len(scene.visible), NOTHING, np.int32)
        position[mesh.faces] = np.arange(len(mesh.faces), dtype=np.int32)
        self.corners: Ints = mesh.triangles[position[ids[self.known]]]
        self.weights: Floats = np.ascontiguousarray(weights[self.known])
        self.triangle_ids: Ints = np.where(ids >= 0, position[ids], np.int32(NOTHING))
        self.index: Ints = np.full(self.known.shape, NOTHING, np.int32)
        self.index[self.known] = np.arange(len(self.corners))
        away = cv2.distanceTransform((ids < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        self.far: NDArray[np.bool_] = away > REACH * scene.inter_ocular
        self.nodes: NDArray[np.bool_] = np.ascontiguousarray(self.known[::STEP, ::STEP])
        at_nodes = self.index[::STEP, ::STEP][self.nodes]
        self._numbers = np.flatnonzero(self.nodes).astype(np.int32)
        self._corners = np.ascontiguousarray(self.corners[at_nodes])
        self._weights = np.ascontiguousarray(self.weights[at_nodes])

    def interpolate(self, values: Floats) -> Floats:
        """Values (U, k, B) of the submesh's vertices at the known nodes: (h, w, k, B), else 0."""
        _, count, edits = values.shape
        interpolated = np.zeros((self.nodes.size, count, edits), np.float32)
        _interpolate(self._numbers, self._corners, self._weights, values, interpolated)
        return interpolated.reshape(*self.nodes.shape, count, edits)


def bounding_box(mask: NDArray[np.bool_], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns that hold a mask and a margin around it, pixels."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )


@numba.njit(cache=True)
def _interpolate(
    numbers: Ints, corners: Ints, weights: Floats, values: Floats, interpolated: Floats
) -> None:
    """Mean of each node's corners, in place."""
    _, count, edits = values.shape
    for n in range(len(numbers)):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        wa, wb, wc = weights[n, 0], weights[n, 1], weights[n, 2]
        row = interpolated[numbers[n]]
        for k in range(count):
            for e in range(edits):
                row[k, e] = wa * values[a, k, e] + wb * values[b, k, e] + wc * values[c, k, e]
