"""From a map to a picture: the photograph moved, or the deformed mesh rendered and Poisson blended.

`warp` samples the photograph through the dense map. `poisson` is the paper's way (section 3.4):
the deformed mesh, rendered with the texture the photograph gives it, is blended into the picture by
Poisson's equation (Perez et al., SIGGRAPH 2003). What it is blended into is the moved photograph,
because over the photograph as it stands the old chin would show below the new one. The render
differs from that by the light that the deformation changes, and by what the photograph hides. For
the light the equation is solved in the photograph's own frame, before the picture moves: there mask
and operator are the same for all edits, which are solved together.
"""

import cv2
import numba
import numpy as np

from affect4d.geometry.raster import barycentric, interpolate
from affect4d.synthesis.harmonic import Extension, extend
from affect4d.synthesis.lighting import Light
from affect4d.synthesis.motion import NOTHING

# Blur (pixels) of the copies that serve where the map crowds this many pixels into one.
CROWDING = ((2.0, 0.8), (4.0, 1.8))
SLIVER = np.ones((5, 5), np.uint8)  # thinner stretches take what surrounds them
EDGE_SHARE = 0.03  # erosion of the mask, of the inter-ocular distance
BLUR_MM = 1.5  # of the light's change
NO_SECOND = np.empty(0, np.float32)  # map: x and y are together in the first
AROUND = 8  # pixels of surroundings that a patch is fitted to


class Warp:
    """The photograph sampled through the map.

    Parameters
    ----------
    flow : Flow
    """

    def __init__(self, flow):
        self.flow, self.scene = flow, flow.scene

    def textures(self, change):
        """What B edits, `change` (U, B, 3) pixels, sample: pictures (H, W, 3) uint8."""
        return [self.scene.image] * change.shape[1]

    def picture(self, texture, motion):
        """(H, W, 3) uint8, one of the `textures` through a Motion; untouched where it is still."""
        return _sample(texture, motion.source)


class Poisson(Warp):
    """The deformed mesh rendered with the photograph's texture and blended into its surroundings.

    Parameters
    ----------
    flow : Flow
    """

    def __init__(self, flow):
        super().__init__(flow)
        scene, front = flow.scene, flow.front
        self._light = Light(scene, front)
        self._mask = _mask(scene)
        self._extension = Extension(~self._mask)
        self._blur = max(BLUR_MM * flow.scene.scale, 0.5)
        self._mirror = scene.xy[scene.anatomy.mirror[front.vertices]]
        twin_seen = scene.seen[scene.anatomy.mirror[front.vertices]]
        self._usable = twin_seen[front.triangles].all(1)

    def textures(self, change):
        """The photograph in the light of each edit, blended within the face's outline."""
        height, width = self._mask.shape
        factors = self.flow.carry(self._light.ratios(change))
        factors[~self.flow.known.ravel()] = 1
        factors = cv2.GaussianBlur(factors.reshape(height, width, -1), (0, 0), self._blur)
        factors = factors.reshape(height, width, -1)
        difference = self._extension(_differences(self.scene.image, factors))
        return _relit(self.scene.image, factors, difference, self._mask)

    def picture(self, texture, motion):
        """As of `Warp`; what comes to light is taken from the other half of the face.

        It is fitted to its surroundings; what neither half shows is left to the moved photograph.
        """
        moved = super().picture(texture, motion)
        usable = (motion.revealed_faces != NOTHING) & self._usable[motion.revealed_faces]
        usable = cv2.morphologyEx(usable.astype(np.uint8), cv2.MORPH_OPEN, SLIVER) > 0
        if usable.any():
            ids, triangles = (
                np.where(usable, motion.revealed_faces, NOTHING),
                self.flow.front.triangles,
            )
            weights = barycentric(ids, motion.xy, triangles)
            place = interpolate(ids, weights, triangles, self._mirror)
            _lay_in(moved, _remap(texture, place), usable)
        return moved


BLENDS = {"warp": Warp, "poisson": Poisson}


def _sample(image, source):
    """The picture through a map, blurred first where the map crowds pixels together."""
    moved = _remap(image, source)
    crowded = _crowding(source)
    most = crowded.max()
    for limit, blur in CROWDING:
        if most > limit:
            left, top, width, height = cv2.boundingRect((crowded > limit).astype(np.uint8))
            box = slice(top, top + height), slice(left, left + width)
            share = np.clip(crowded[box] / limit - 1, 0, 1)[..., None]
            copy = _blurred(image, source[box], blur)
            moved[box] = np.rint(moved[box] + share * (copy.astype(np.float32) - moved[box]))
    return moved


def _blurred(image, source, blur):
    """What a part of a map samples of a blurred picture."""
    pad = int(4 * blur) + 3
    low = np.maximum(source.min((0, 1)).astype(int) - pad, 0)
    high = source.max((0, 1)).astype(int) + pad
    part = image[low[1] : high[1], low[0] : high[0]]
    return _remap(cv2.GaussianBlur(part, (0, 0), blur), source - low.astype(np.float32))


def _remap(image, source):
    return cv2.remap(image, source, NO_SECOND, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@numba.njit(cache=True, fastmath=True)
def _crowding(source):
    """(H, W) float32: pixels of the photograph that fall on a pixel along the worse direction."""
    height, width, _ = source.shape
    worst = np.zeros((height, width), np.float32)
    for j in range(height):
        for i in range(width):
            for k in range(2):
                if i + 1 < width:
                    worst[j, i] = max(worst[j, i], abs(source[j, i + 1, k] - source[j, i, k]))
                if j + 1 < height:
                    worst[j, i] = max(worst[j, i], abs(source[j + 1, i, k] - source[j, i, k]))
    return worst


@numba.njit(cache=True, fastmath=True)
def _differences(image, factors):
    """The photograph less itself in each edit's light, (H, W, 3 B) float32."""
    height, width, edits = factors.shape
    differences = np.empty((height, width, 3 * edits), np.float32)
    for j in range(height):
        for i in range(width):
            for k in range(3):
                value = np.float32(image[j, i, k])
                for e in range(edits):
                    differences[j, i, k * edits + e] = value * (1 - factors[j, i, e])
    return differences


@numba.njit(cache=True, fastmath=True)
def _relit(image, factors, differences, mask):
    """The photograph in each edit's light plus the blend's correction, (B, H, W, 3) uint8."""
    height, width, edits = factors.shape
    pictures = np.empty((edits, height, width, 3), np.uint8)
    for j in range(height):
        for i in range(width):
            for k in range(3):
                value = np.float32(image[j, i, k])
                for e in range(edits):
                    lit = value
                    if mask[j, i]:
                        lit = value * factors[j, i, e] + differences[j, i, k * edits + e]
                    lit = min(max(lit, np.float32(0)), np.float32(255))
                    pictures[e, j, i, k] = np.uint8(lit + np.float32(0.5))
    return pictures


def _lay_in(picture, patch, where):
    """Put a patch (H, W, 3) into a picture in place, its gradients kept (Poisson's equation)."""
    left, top, width, height = cv2.boundingRect(where.astype(np.uint8))
    box = (
        slice(max(top - AROUND, 0), top + height + AROUND),
        slice(max(left - AROUND, 0), left + width + AROUND),
    )
    own, patch, where = picture[box], patch[box].astype(np.float32), where[box]
    fitted = patch + extend(own - patch, ~where)
    own[where] = np.clip(np.rint(fitted[where]), 0, 255).astype(np.uint8)


def _mask(scene):
    """(H, W) bool: the face without holes (mouth, eyes), a little inside its edge.

    A hole's edge would pull the cheeks towards the colours of lips and teeth.
    """
    face = (scene.raster[0] >= 0).astype(np.uint8)
    outlines, _ = cv2.findContours(face, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(face), outlines, -1, 1, cv2.FILLED)
    size = 2 * int(np.ceil(EDGE_SHARE * scene.inter_ocular)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.erode(filled, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
