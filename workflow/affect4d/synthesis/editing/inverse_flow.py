"""Second stage: where each pixel of the new picture comes from, and what shows that was hidden.

The map is the flow's inverse. Hidden triangles are drawn where the move brings them before what
the map shows.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.disocclusion import reveal
from affect4d.synthesis.editing.flow import EditFlow
from affect4d.synthesis.editing.inverse_kernels import double, invert, refine
from affect4d.synthesis.editing.lattice import STEP, Lattice
from affect4d.synthesis.editing.scene import HIDDEN_MM, Scene


@dataclass(frozen=True)
class Motion(EditFlow):
    """One edit's geometry: its forward flow, and the backward map.

    Attributes
    ----------
    source : (H, W, 2), pixels (x, y) of the photograph: where each pixel comes from
    revealed_faces : (H, W), the submesh's triangle where one shows that the photograph hides
    revealed : face that the photograph hides, over the photograph's face
    """

    source: NDArray[np.float32]
    revealed_faces: NDArray[np.int32]
    revealed: float


class InverseFlow:
    """The stage, for one photograph."""

    def __init__(self, scene: Scene, lattice: Lattice) -> None:
        self._lattice = lattice
        self._margin = np.float32(HIDDEN_MM * scene.scale)
        far = lattice.far
        self._fixed = np.argwhere(far[::STEP, ::STEP]).astype(np.int32)
        near = cv2.dilate((~far).astype(np.uint8), np.ones((2 * STEP + 1, 2 * STEP + 1), np.uint8))
        self._edge = np.argwhere(far & (near > 0)).astype(np.int32)

    def __call__(self, edit: EditFlow) -> Motion:
        """The Motion of one edit's forward flow."""
        lattice, mesh = self._lattice, edit.mesh
        coarse = invert(edit.flow / np.float32(STEP), self._fixed)
        source = double(coarse, self._edge, *lattice.far.shape)
        pixels = lattice.index, lattice.corners, lattice.weights
        refine(coarse, lattice.far, edit.flow, *pixels, edit.change, source)
        surface = mesh.triangles, mesh.hidden[edit.facing], mesh.xy, mesh.depth, edit.change
        faces, count = reveal(*surface, source, edit.flow, lattice.triangle_ids, self._margin)
        revealed = count / max(len(lattice.corners), 1)
        return Motion(**vars(edit), source=source, revealed_faces=faces, revealed=revealed)
