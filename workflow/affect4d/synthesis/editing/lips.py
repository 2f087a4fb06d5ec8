"""Lips that press against each other and never cross.

Lips that tighten roll inwards, which a mesh cannot: it moves the upper lip before the lower. What
would cross stops where they meet, and the red between there and the skin gets thinner.
"""

import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.scene import Scene
from affect4d.template.ibug68 import LOWER_INNER_LIP, UPPER_INNER_LIP

UP = np.array([0, 1, 0], np.float32)  # of the template's frame
ROLL_MM = 1.2  # of red that the mesh has between the inner lips' points and where lips touch
MIN_UP_PX = 1e-6  # length of that in the picture: avoids a division by zero


def lip_shifts(
    scene: Scene, deformations: NDArray[np.float32], *, roll_mm: float = ROLL_MM
) -> NDArray[np.float32]:
    """How far points of the upper and the lower lip are to be moved beyond their deformation.

    Parameters
    ----------
    scene : of the photograph
    deformations : (V, 3, B), mm, of B edits
    roll_mm : of red between the points of lips that touch

    Returns
    -------
    (6, 2, B), pixels (x, y) of each point; vertices move by their weight in `Anatomy.lips`
    """
    landmarks = scene.anatomy.landmark_vertices
    upper, lower = landmarks[UPPER_INNER_LIP], landmarks[LOWER_INNER_LIP]
    up = scene.motion[:2] @ UP
    up /= max(float(np.linalg.norm(up)), MIN_UP_PX)
    before = (scene.xy[upper] - scene.xy[lower]) @ up
    moved = np.einsum("k,nke->ne", up @ scene.motion[:2], deformations[upper] - deformations[lower])
    # as far as a fit has them crossed in the photograph, they may stay
    free = np.maximum(before - roll_mm * scene.scale, 0)
    crossing = np.maximum(-moved - free[:, None], 0)
    points = [*upper, *lower]
    gain = float(scene.anatomy.lips[np.arange(len(points)), points, 0].mean())
    share = crossing[:, None] * up[:, None] / (2 * gain)
    return np.concatenate([share, -share]).astype(np.float32)
