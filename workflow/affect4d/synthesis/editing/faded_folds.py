"""Folds that an expression made in a photograph, faded when it is removed.

What the expression would have drawn (`folds`) is the most that is taken away: where the skin has a
dark line, as much as it is darker than around, so that smooth skin gets no light lines.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.folds import Folds
from affect4d.synthesis.editing.lattice import STEP, Lattice, bounding_box
from affect4d.synthesis.editing.lighting import SKIN_TINT
from affect4d.synthesis.editing.scene import LUMINANCE, Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh

Floats = NDArray[np.float32]

# Standard deviations between which a fold lies: pores are finer, the cheek's shading is coarser.
FINE_MM, COARSE_MM = 0.8, 5.0
NO_LIGHT = np.zeros(2, np.float32)  # a wall's shade belongs to the fold: it goes with it


def without_folds(scene: Scene, shown: Floats, *, mesh: VisibleSubmesh, lattice: Lattice) -> Scene:
    """The Scene, its picture without the folds of an expression (V, 3) mm that it shows."""
    box = bounding_box(lattice.nodes)
    folds = Folds(scene, mesh, lattice, light=NO_LIGHT, box=box)
    logs = np.zeros((*lattice.nodes[box].shape, 1), np.float32)
    folds.add(logs, folds.depths(np.ascontiguousarray(shown[..., None], np.float32)))
    if not logs.any():
        return scene
    drawn = np.zeros(lattice.nodes.shape, np.float32)
    drawn[box] = np.maximum(-logs[..., 0], 0)
    most = cv2.remap(drawn, *_nodes(scene), cv2.INTER_LINEAR)
    fading = np.minimum(most, np.maximum(_darkness(scene), 0))[..., None]
    picture = np.clip(np.rint(scene.image * np.exp(fading * SKIN_TINT)), 0, 255)
    return replace(scene, image=picture.astype(np.uint8))


def _darkness(scene: Scene) -> Floats:
    """(H, W), logarithm, by how much the skin is darker than around."""
    grey = np.log(np.maximum(scene.image.astype(np.float32) @ LUMINANCE, 1))
    fine, coarse = (
        cv2.GaussianBlur(grey, (0, 0), max(mm * scene.scale, 0.5)) for mm in (FINE_MM, COARSE_MM)
    )
    return np.asarray(coarse - fine, np.float32)


def _nodes(scene: Scene) -> tuple[Floats, Floats]:
    """Column and row (H, W) of the lattice at each pixel."""
    height, width = scene.shape
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return (columns / STEP).astype(np.float32), (rows / STEP).astype(np.float32)
