"""From a map to a picture: the photograph moved, or the deformed mesh rendered and Poisson blended.

`warp` samples the photograph through the dense map. `poisson` is the paper's way (section 3.4):
the deformed mesh, rendered with the texture the photograph gives it, is blended into the picture
by Poisson's equation (Perez et al., SIGGRAPH 2003). What it is blended into is the moved
photograph, because over the photograph as it stands the old chin would show below the new one.
"""

import cv2
import numpy as np

from affect4d.geometry.raster import interpolate
from affect4d.synthesis.harmonic import extend
from affect4d.synthesis.lighting import relight

# Blur (pixels) of the copies that serve where the map crowds this many pixels into one.
CROWDING = ((2.0, 0.8), (4.0, 1.8))
SLIVER = np.ones((5, 5), np.uint8)  # thinner stretches take what surrounds them
EDGE_SHARE = 0.03  # erosion of the mask, of the inter-ocular distance


def warp(scene, motion):
    """The photograph sampled through the map: (H, W, 3) uint8, untouched where the map is still."""
    moved = _sample(scene.image, motion.source)
    crowded = _crowding(motion.source)
    for limit, blur in CROWDING:
        share = np.clip(crowded / limit - 1, 0, 1)[..., None]
        if share.any():
            copy = _sample(cv2.GaussianBlur(scene.image, (0, 0), blur), motion.source)
            moved = np.rint(moved + share * (copy.astype(np.float32) - moved)).astype(np.uint8)
    return np.where(motion.still[..., None], scene.image, moved)


def poisson(scene, motion):
    """The deformed mesh rendered with the photograph's texture, blended into the moved photograph.

    The render differs from what it is blended into by the light that the deformation changes and by
    what the photograph hides; both would show an edge without Poisson's equation.

    Returns
    -------
    (H, W, 3) uint8
    """
    base = warp(scene, motion).astype(np.float32)
    rendered, covered = _render(scene, motion, base)
    mask = _mask(scene, motion, covered)
    difference = extend(base - rendered, ~mask)
    blended = np.where(mask[..., None], rendered + difference, base)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


BLENDS = {"warp": warp, "poisson": poisson}


def _sample(image, source):
    columns, rows = cv2.split(source)
    return cv2.remap(image, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _crowding(source):
    """(H, W) float32: pixels of the photograph that fall on a pixel along the worse direction."""
    worst = np.zeros(source.shape[:2], np.float32)
    for axis in range(2):
        for place in cv2.split(source):
            step = np.abs(np.diff(place, axis=axis))
            inner = worst[: step.shape[0], : step.shape[1]]
            np.maximum(inner, step, out=inner)
    return worst


def _render(scene, motion, base):
    """The deformed face, textured and relit, (H, W, 3) float32, and where it is (H, W) bool.

    What the photograph hides takes its texture from the other half of the face, fitted to its
    surroundings; what neither half shows is left to the moved photograph.
    """
    triangles = scene.anatomy.triangles
    rendered = base.copy()
    covered = motion.ids >= 0
    hidden = covered & ~motion.shown & ~scene.anatomy.eyes[motion.ids]
    if hidden.any():
        twin = scene.xy[scene.anatomy.mirror]
        twin_seen = scene.seen[scene.anatomy.mirror][triangles].all(1)
        usable = (hidden & twin_seen[motion.ids]).astype(np.uint8)
        usable = cv2.morphologyEx(usable, cv2.MORPH_OPEN, SLIVER) > 0
        place = interpolate(motion.ids, motion.weights, triangles, twin)
        mirrored = _sample(scene.image, place).astype(np.float32)
        fitted = mirrored + extend(base - mirrored, ~usable)
        rendered[usable] = fitted[usable]
    return rendered * relight(scene, motion)[..., None], covered


def _mask(scene, motion, covered):
    """(H, W) bool: the face before or after, without holes (mouth, eyes), a little inside its edge.

    A hole's edge would pull the cheeks towards the colours of lips and teeth.
    """
    union = (covered | (scene.raster[0] >= 0)).astype(np.uint8)
    outlines, _ = cv2.findContours(union, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(union), outlines, -1, 1, cv2.FILLED)
    size = 2 * int(np.ceil(EDGE_SHARE * scene.inter_ocular)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.erode(filled, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
