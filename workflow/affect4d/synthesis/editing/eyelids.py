"""Eyelids that close on the template close on every eye, whatever its own aperture.

A class's deformation is in millimetres of an average eye; on a narrower one, or on an eye drawn
together in the photograph, the lids would cross, on a wider one a blink would leave a gap. The more
they close, the more the share of the aperture counts in place of the millimetres.
"""

import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.scene import Scene
from affect4d.template.ibug68 import LOWER_LIDS, UPPER_LIDS

# Bounds of an edit's aperture, in apertures of the photograph: an eye keeps a line, where the
# lashes meet, and no lid opens by more than the eye was open.
APERTURE = (0.1, 2.0)
MIN_APERTURE_PX = 1e-3  # of the photograph's: avoids a division by zero


def lid_shifts(
    scene: Scene, deformations: NDArray[np.float32], *, blink: float = 0.0, raised_mm: float = 0.0
) -> NDArray[np.float32]:
    """How far each upper lid is to be moved beyond its deformation, within bounds of the aperture.

    Parameters
    ----------
    scene : of the photograph
    deformations : (V, 3, B), mm, of B edits
    blink : by which share of the aperture that is left the lids close besides; 1: shut
    raised_mm : how far the upper lids go upwards besides, with the gaze

    Returns
    -------
    (2, 2, B), pixels (x, y) of each eye; vertices move by their weight in `Anatomy.lids`
    """
    anatomy, shifts = scene.anatomy, []
    lids = (anatomy.landmark_vertices[lid] for lid in (UPPER_LIDS, LOWER_LIDS))
    for upper, lower, weight, normal in zip(*lids, anatomy.lids, anatomy.apertures, strict=True):
        across = (scene.xy[upper] - scene.xy[lower]).mean(0)
        aperture = max(float(np.linalg.norm(across)), MIN_APERTURE_PX)
        up = across / aperture
        opening = (deformations[upper] - deformations[lower]).mean(0)
        closing = np.clip(-opening[1] / normal, 0, 1)
        moved = up @ (across[:, None] + scene.motion[:2] @ opening)
        share = (1 - closing**2) * moved / aperture + closing**2 * (1 - closing)
        share = np.clip(share + raised_mm * scene.scale / aperture, *APERTURE)
        wanted = (1 - blink) * aperture * share
        gain = float(weight[upper].mean() - weight[lower].mean())
        shifts.append((wanted - moved) / gain * up[:, None])
    return np.array(shifts, np.float32)
