"""Lips that get thinner where they are stretched, press against each other and never cross.

The mesh of a class's mean moves lips as bands of constant height, and their middles less than their
sides; real ones keep their volume and, drawn taut, their shape. In real smiles the red of the upper
lip gets thinner as the mouth gets wider, that of the lower lip hardly; where lips part, their inner
edges give way.

Lips that tighten roll inwards, which a mesh cannot: it moves the upper lip before the lower. What
would cross stops where they meet, and the red between there and the skin gets thinner.
"""

import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.scene import Scene
from affect4d.template.ibug68 import (
    LOWER_INNER_LIP,
    LOWER_LIP,
    MOUTH_CORNERS,
    UPPER_INNER_LIP,
    UPPER_LIP,
)

Floats = NDArray[np.float32]

UP = np.array([0, 1, 0], np.float32)  # of the template's frame
ROLL_MM = 1.2  # of red that the mesh has between the inner lips' points and where lips touch
MIN_LENGTH_PX = 1e-6  # of an axis or a mouth in the picture: avoids a division by zero
# The red of the upper and of the lower lip gets thinner by these powers of the mouth's width: least
# absolute deviations over the smiles of every other person of the Face Research Lab London Set
# (`benchmarks/mouths.py`, which tests them on the others).
THINNING = (0.89, 0.22)
PARTED_MM = 2.0  # mean opening from which on lips are thin as that says; those that touch stay so
TAUT = 1.1  # times the width, from which on all of a lip moves as one; a quarter of smiles less


def lip_shifts(
    scene: Scene, deformations: Floats, *, roll_mm: float = ROLL_MM, thinning: float = 1.0
) -> Floats:
    """How far points of the upper and the lower lip are to be moved beyond their deformation.

    Parameters
    ----------
    scene : of the photograph
    deformations : (V, 3, B), mm, of B edits
    roll_mm : of red between the points of lips that touch
    thinning : share of the thinning of lips that are stretched and part

    Returns
    -------
    (6, 2, B), pixels (x, y) of each point; vertices move by their weight in `Anatomy.lips`
    """
    landmarks = scene.anatomy.landmark_vertices
    upper, lower = landmarks[UPPER_INNER_LIP], landmarks[LOWER_INNER_LIP]
    up = scene.motion[:2] @ UP
    up /= max(float(np.linalg.norm(up)), MIN_LENGTH_PX)
    rows = [landmarks[UPPER_LIP], upper, lower, landmarks[LOWER_LIP]]  # from the nose downwards
    heights = np.stack([scene.xy[row] @ up for row in rows])
    rises = np.stack(
        [np.einsum("k,nke->ne", up @ scene.motion[:2], deformations[row]) for row in rows]
    )
    opening = rises[1] - rises[2]
    # as far as a fit has them crossed in the photograph, they may stay
    free = np.maximum(heights[1] - heights[2] - roll_mm * scene.scale, 0)
    crossing = np.maximum(-opening - free[:, None], 0) / 2
    parted = thinning * np.clip(opening.mean(0) / (PARTED_MM * scene.scale), 0, 1)
    wider = np.log(_stretch(scene, deformations))
    taut = np.clip(wider / np.log(TAUT), 0, 1)
    shifts = []
    for outer, inner, power in ((0, 1, THINNING[0]), (3, 2, THINNING[1])):
        away = heights[outer] - heights[inner]  # from the inner to the outer edge
        moved = rises[outer] + taut * (rises[outer].mean(0) - rises[outer])
        wanted = moved + away[:, None] * (1 - np.exp(-power * wider)) - rises[inner]
        towards = np.sign(1.5 - outer)
        shifts.append(towards * (crossing + parted * np.maximum(towards * wanted, 0)))
    gain = float(scene.anatomy.lips[np.arange(6), [*upper, *lower], 0].mean())
    along = np.concatenate(shifts) / gain
    return np.asarray(along[:, None] * up[:, None], np.float32)


def _stretch(scene: Scene, deformations: Floats) -> Floats:
    """(B,), at least 1: how many times as wide as in the photograph the mouth is in B edits."""
    right, left = scene.anatomy.landmark_vertices[MOUTH_CORNERS]
    before = scene.xy[left] - scene.xy[right]
    moved = scene.motion[:2] @ (deformations[left] - deformations[right])
    widths = np.linalg.norm(before[:, None] + moved, axis=0)
    times: Floats = widths / max(float(np.linalg.norm(before)), MIN_LENGTH_PX)
    return np.maximum(times, 1)
