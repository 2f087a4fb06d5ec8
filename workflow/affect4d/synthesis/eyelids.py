"""Eyelids close by the share they close on the template, whatever the eye's own aperture.

A class's deformation is in millimetres of an average eye; on a narrower one, or on an eye drawn
together in the photograph, the lids would cross.
"""

import numpy as np

from affect4d.synthesis.anatomy import EYES

# An eye keeps a line, where the lashes meet, and opens no wider than irises bear being stretched.
APERTURE = (0.1, 1.3)


def lid_shifts(scene, deformation):
    """How far each upper lid is to be moved beyond its deformation, within bounds of the aperture.

    Parameters
    ----------
    scene : Scene
    deformation : (V, 3) mm

    Returns
    -------
    (2, 2) float32, pixels; vertices go along by their weight in `Anatomy.lids`
    """
    anatomy, shifts = scene.anatomy, []
    for eye, weight, normal in zip(EYES, anatomy.lids, anatomy.apertures, strict=True):
        points = anatomy.landmark_vertices[eye]
        upper, lower = points[[1, 2]], points[[5, 4]]
        across = (scene.xy[upper] - scene.xy[lower]).mean(0)
        aperture = max(float(np.linalg.norm(across)), 1e-3)
        up = across / aperture
        apart = (deformation[upper] - deformation[lower]).mean(0)
        wanted = aperture * np.clip(1 + float(apart[1]) / normal, *APERTURE)
        found = float((across + scene.motion[:2] @ apart) @ up)
        gain = float(weight[upper].mean() - weight[lower].mean())
        shifts.append((wanted - found) / gain * up)
    return np.array(shifts, np.float32)
