"""From a map to a picture: the photograph moved, or the deformed mesh rendered and Poisson blended.

`warp` samples the photograph through the dense map. `poisson` is the paper's way (section 3.4):
the deformed mesh, rendered with the texture the photograph gives it, is blended into the picture by
Poisson's equation (Perez et al., SIGGRAPH 2003). What it is blended into is the moved photograph,
because over the photograph as it stands the old chin would show below the new one. The render
differs from that by the light that the deformation changes, and by what the photograph hides.

The light is a factor, so its equation is that of the picture's logarithm, one for all colours: the
edge of the mask then leaves no trace of the skin's texture inside. It is solved in the photograph's
own frame, before the picture moves: there mask and operator are the same for all edits, which are
solved together. What comes to light is blended in as colours.
"""

import cv2
import numba
import numpy as np

from affect4d.geometry.raster import barycentric, interpolate
from affect4d.synthesis.editing.harmonic import Extension, extend
from affect4d.synthesis.editing.inverse_flow import STEP
from affect4d.synthesis.editing.lighting import Light
from affect4d.synthesis.editing.sampling import Sampler
from affect4d.synthesis.editing.warp import NOTHING

# Blur (pixels) of the copies that serve where the map crowds this many pixels into one.
CROWDING = ((2.0, 0.8), (4.0, 1.8))
SLIVER_SHARE = 0.06  # of the inter-ocular distance: thinner stretches take what surrounds them
EDGE_SHARE = 0.03  # erosion of the mask, of the inter-ocular distance
BLUR_MM = 1.5  # of the light's change
UNSEEN = 1 / 512  # of the light: less changes no grey value
AROUND = 8  # pixels of surroundings that a patch is fitted to


class Warp:
    """The photograph sampled through the map.

    Parameters
    ----------
    flow : Flow
    settings : affect4d.config.synthesis.Settings
    """

    def __init__(self, flow, settings):
        self.flow, self.scene, self.settings = flow, flow.scene, settings
        self._sampled = Sampler(flow.scene.image, flow.far)

    def prepare(self, change):
        """What the pictures of B edits, `change` (U, 3, B) pixels, need: one item for each."""
        return [None] * change.shape[2]

    def picture(self, _, motion):
        """(H, W, 3) uint8: the photograph through a Motion; untouched where that is still."""
        source = motion.source
        moved = self._sampled(source)
        crowded = _crowding(source)
        most = crowded.max()
        for limit, blur in CROWDING:
            if most > limit:
                self._soften(moved, source, crowded / limit, blur)
        return moved

    def _soften(self, moved, source, crowded, blur):
        """Replace what is `crowded` (h, w) > 1 by what the map samples of a blurred photograph."""
        box = _around(crowded > 1)
        share = np.clip(crowded[box] - 1, 0, 1)
        box = tuple(slice(STEP * side.start, STEP * side.stop) for side in box)
        share = cv2.resize(share, moved[box].shape[1::-1])
        share[self.flow.far[box]] = 0
        copy = _blurred(self.scene.image, source[box], blur).astype(np.float32)
        moved[box] = np.rint(moved[box] + share[..., None] * (copy - moved[box]))


class Poisson(Warp):
    """The deformed mesh rendered with the photograph's texture and blended into its surroundings.

    Parameters
    ----------
    flow : Flow
    settings : affect4d.config.synthesis.Settings
    """

    def __init__(self, flow, settings):
        super().__init__(flow, settings)
        scene, front = flow.scene, flow.front
        self.light = Light(flow)
        self.blur = max(BLUR_MM * scene.scale, 0.5) / STEP  # places
        self.mask = np.ascontiguousarray(_mask(scene)[::STEP, ::STEP])
        self._box = _around(self.mask, int(np.ceil(4 * self.blur)) + 2)
        self._extension = Extension(~self.mask[self._box])
        beside = cv2.dilate(flow.far.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        self._still = np.ascontiguousarray(beside[::STEP, ::STEP])
        side = 2 * int(SLIVER_SHARE / 2 * scene.inter_ocular) + 1  # odd: opens about its middle
        self._sliver = np.ones((side, side), np.uint8)
        self._mirror = scene.xy[scene.anatomy.mirror[front.vertices]]
        twin_seen = scene.seen[scene.anatomy.mirror[front.vertices]]
        a, b, c = front.triangles.T
        self._usable = twin_seen[a] & twin_seen[b] & twin_seen[c]

    def prepare(self, change):
        """The change of light of each edit on the lattice, (h, w) float32, blended to 1 around."""
        edits = change.shape[2]
        ratios = np.ascontiguousarray(self.light.ratios(change)[self._box])
        logs = cv2.GaussianBlur(np.log(ratios), (0, 0), self.blur)
        logs = logs.reshape(*ratios.shape[:2], edits)
        logs -= self._extension(logs)
        factors = np.ones((edits, *self.mask.shape), np.float32)
        factors[:, *self._box] = np.exp(self.settings.relight * logs).transpose(2, 0, 1)
        return factors

    def picture(self, factor, motion):
        """As of `Warp`, relit; what comes to light is taken from the other half of the face.

        It is fitted to its surroundings; what neither half shows is left to the moved photograph.
        """
        moved = super().picture(None, motion)
        _relight(moved, _carried(factor, motion.source, self._still))
        usable = self._usable_of(motion)
        if usable is not None:
            triangles = self.flow.front.triangles
            ids = np.where(usable, motion.revealed_faces, NOTHING)
            xy, _ = motion.moved(np.arange(len(self._mirror)))
            weights = barycentric(ids, xy, triangles)
            place = interpolate(self._mirror, triangles, (ids, weights))
            _lay_in(moved, remap(self.scene.image, place), usable)
        return moved

    def _usable_of(self, motion):
        """Where what comes to light has a twin; None where there is next to nothing."""
        if motion.revealed * len(self.flow.corners) < self._sliver.size:
            return None
        faces = motion.revealed_faces
        places = np.flatnonzero(faces != NOTHING)
        places = places[self._usable[faces.flat[places]]]
        if len(places) < self._sliver.size:
            return None
        usable = np.zeros(faces.shape, np.uint8)
        usable.flat[places] = 1
        usable[self.flow.far] = 0
        usable = cv2.morphologyEx(usable, cv2.MORPH_OPEN, self._sliver) > 0
        return usable if usable.any() else None


BLENDS = {"warp": Warp, "poisson": Poisson}


def _around(where, margin=0):
    """The bounding slices of a mask, and a margin around them."""
    left, top, width, height = cv2.boundingRect(where.astype(np.uint8))
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )


def _blurred(image, source, blur):
    """What a part of a map samples of a blurred picture."""
    pad = int(4 * blur) + 3
    low = np.maximum(source.min((0, 1)).astype(int) - pad, 0)
    high = source.max((0, 1)).astype(int) + pad
    part = image[low[1] : high[1], low[0] : high[0]]
    return remap(cv2.GaussianBlur(part, (0, 0), blur), source - low.astype(np.float32))


def remap(image, source):
    """A picture through a map (H, W, 2) float32, pixels; beyond its edge the edge is repeated."""
    # in 32nds of a sample, which takes two thirds of the time that floating point does
    where, between = cv2.convertMaps(source, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    return cv2.remap(image, where, between, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)


@numba.njit(cache=True, fastmath=True)
def _crowding(source):
    """(h, w) float32: pixels that fall on a pixel along the worse direction, on the lattice."""
    height, width = source.shape[0] // STEP, source.shape[1] // STEP
    worst = np.zeros((height, width), np.float32)
    flat = source.reshape(len(source), -1)
    apart, share = np.empty(flat.shape[1], np.float32), np.float32(1 / STEP)
    beside = 2 * STEP
    for j in range(height - 1):
        here, below = flat[STEP * j], flat[STEP * j + STEP]
        for n in range(flat.shape[1] - beside):  # of every pixel, as vectors
            apart[n] = max(abs(here[n + beside] - here[n]), abs(below[n] - here[n]))
        for i in range(width - 1):
            worst[j, i] = share * max(apart[beside * i], apart[beside * i + 1])
    return worst


@numba.njit(cache=True, fastmath=True)
def _carried(factor, source, still):
    """What is given on the lattice, (h, w), through a map (H, W, 2); 1 where it is `still`."""
    rows, columns = factor.shape
    carried = np.ones((rows, columns), np.float32)
    share, zero, unit = np.float32(1 / STEP), np.float32(0), np.float32(1)
    for j in range(rows):
        for i in range(columns):
            if still[j, i]:
                continue
            x, y = share * source[STEP * j, STEP * i, 0], share * source[STEP * j, STEP * i, 1]
            c, r = min(int(x), columns - 2), min(int(y), rows - 2)
            a, b = min(max(x - np.float32(c), zero), unit), min(max(y - np.float32(r), zero), unit)
            upper = factor[r, c] + a * (factor[r, c + 1] - factor[r, c])
            lower = factor[r + 1, c] + a * (factor[r + 1, c + 1] - factor[r + 1, c])
            carried[j, i] = upper + b * (lower - upper)
    return carried


@numba.njit(cache=True, fastmath=True)
def _relight(picture, factor):
    """Multiply a picture (H, W, 3) uint8 in place by a factor (h, w) given on the lattice."""
    height, width, _ = picture.shape
    rows, columns = factor.shape
    row, fine = np.empty(columns + 1, np.float32), np.empty((width + 1, 3), np.float32)
    half, least = np.float32(0.5), np.float32(UNSEEN)
    for j in range(height):
        r, below = j // 2, min(j // 2 + j % 2, rows - 1)
        count = np.int32(0)
        for c in range(columns):
            row[c] = half * (factor[r, c] + factor[below, c])
            count += np.int32(abs(row[c] - np.float32(1)) >= least)
        if count == 0:
            continue
        row[columns] = row[columns - 1]
        for c in range((width + 1) // 2):
            between = half * (row[c] + row[c + 1])
            for k in range(3):
                fine[2 * c, k], fine[2 * c + 1, k] = row[c], between
        flat, own = picture[j].reshape(-1), fine.reshape(-1)
        for n in range(3 * width):
            value = own[n] * np.float32(flat[n]) + half
            flat[n] = np.uint8(min(value, np.float32(255)))


def _lay_in(picture, patch, where):
    """Put a patch (H, W, 3) into a picture in place, its gradients kept (Poisson's equation)."""
    box = _around(where, AROUND)
    own, patch, where = picture[box], patch[box].astype(np.float32), where[box]
    # beyond its edge the patch shows nothing: what it is to join there is its own edge
    fitted = patch + extend(own - extend(patch, where), ~where)
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
