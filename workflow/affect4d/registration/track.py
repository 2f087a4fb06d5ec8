"""Skin followed from the neutral frame to the others of its sequence.

Landmarks place every frame independently, each time with other noise; the skin's own pattern says
how far two frames of one face disagree. Both are pictured on the template's cylinder and the dense
optical flow between the pictures (DIS, Kroeger et al., ECCV 2016) corrects the correspondence.
Errors of the neutral frame itself stay, but are the same in every frame, and later stages use
differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.registration.cylinder import Located, UnwrappedScan, sample

# Radius about the nose tip of the skin that is followed: the forehead belongs to it, and no margin
# of the pictures cuts the inner face.
FOLLOWED_RADIUS_MM = 110.0
# Pixels per mm of the pictures: fine enough for freckles, coarse enough for DIS's patches.
_RESOLUTION = 1.5
# Standard deviation of the Gaussian that averages the flow, weighted by the pattern's contrast; it
# doubles with each halving of the pictures.
_SMOOTH_MM = 1.2
# Weight of no flow where no skin is known, over the mean weight where it is: the flow is continued
# from the skin beside, and fades only where there is none. As much weight as the skin has would
# hold back the corners of the mouth and the wings of the nose, which lie at an edge of the picture.
_NO_FLOW = 0.01
# The pictures are drawn again along the corrected correspondence: the first flow is too short. For
# each pass, how often the resolution is halved: patches of halved pictures reach from lid to brow,
# those of pictures halved twice find skin that moved by 10 mm.
_HALVINGS = (2, 1, 0)
# Lighting varies over this distance and more (a Gaussian's standard deviation); it is removed, at a
# resolution so many times coarser, and contrast is measured over twice the distance.
_LIGHT_MM, _COARSER = 5.0, 4
# Red, green and blue in the luminance: BT.601's coefficients (.299, .587, .114, as synthesis has
# them) to one digit; the bytes of registered sequences depend on them.
_LUMINANCE = np.array([0.3, 0.6, 0.1], dtype=np.float32)
# The pattern in 8 bits: grey, and this many levels per local standard deviation of the contrast, so
# that 2.7 of them fit; the deviation is raised, so that a camera's noise on plain skin stays faint.
_GREY, _LEVELS_PER_SD, _CAMERA_NOISE = 128, 48, 4.0
# Pictures are not compared this near to where one of them, or the skin, ends.
_MARGIN_PX = 2
# Corrections beyond this are no landmark noise: the flow has failed.
_MAX_CORRECTION_MM = 6.0
# DIS: half the work of the preset MEDIUM for a hundredth more error.
_PATCH_STRIDE, _DESCENTS, _REFINEMENTS = 4, 12, 2
_MIN_WEIGHT = 1e-3  # no division by zero

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Texture:
    """A scan's texture.

    Attributes
    ----------
    image : (H, W, 3) RGB
    uv : (N, 2) of the scan's vertices, v up
    repeats : whether the image repeats beyond [0, 1], across and upwards; else its edge does
    """

    image: NDArray[np.uint8]
    uv: Floats
    repeats: tuple[bool, bool] = (True, True)

    def colours(
        self,
        triangles: NDArray[np.int32],
        triangle: NDArray[np.int32],
        weights: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Colours (M, 3) at positions on the scan: triangles (M,) and barycentric weights (M, 3).

        They are arbitrary where the triangle is -1.
        """
        uv = sample(self.uv, triangles, Located(triangle, weights))
        if (uv < 0).any() or (uv > 1).any():
            middle = self.uv[triangles[triangle]].mean(axis=1)
            uv = np.where(self.repeats, _in_one_tile(uv, middle), uv)
        height, width = self.image.shape[:2]
        return sample_bilinear(self.image, uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5)


def _in_one_tile(uv: Floats, middle: Floats) -> Floats:
    """Texture coordinates (M, 2) of an image that repeats, moved into the one at [0, 1].

    A triangle, whose `middle` (M, 2) is given, is moved as a whole, so that it ends at the edge of
    the image at which it ended; what of it lies in the next repetition begins at the other edge.
    """
    step = np.where(middle > 0, np.ceil(middle) - 1, np.floor(middle))
    moved = uv - step
    return np.where((moved < 0) | (moved > 1), moved - np.floor(moved), moved)


def sample_bilinear(
    image: NDArray[np.uint8] | NDArray[np.float32], x: Floats, y: Floats
) -> NDArray[np.float32]:
    """Bilinear values (M, C) of an image at pixel positions x, y (M,)."""
    row = 4096  # cv2.remap takes at most 32,767 columns
    maps = [np.resize(part, (-(-len(part) // row), row)).astype(np.float32) for part in (x, y)]
    values = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(maps[0].size, -1)[: len(x)].astype(np.float32)


class CylinderRaster:
    """The face of the template as a picture on its cylinder.

    Parameters
    ----------
    uv, depth : (V, 2) and (V,) mm, the unwrapped template
    triangles : (F, 3)
    face : (V,), vertices that may show
    eyes : vertex indices (n,) around each eye, in order

    Attributes
    ----------
    xy : (V, 2) px, the vertices
    triangles : (F, 3)
    skin : (H, W), outside the eyes
    """

    def __init__(
        self,
        uv: Floats,
        depth: Floats,
        triangles: NDArray[np.int32],
        *,
        face: NDArray[np.bool_],
        eyes: Sequence[NDArray[np.int64]],
    ) -> None:
        low, high = uv[face].min(0), uv[face].max(0)
        self.xy = ((uv - [low[0], high[1]]) * [_RESOLUTION, -_RESOLUTION]).astype(np.float32)
        width, height = np.ceil((high - low) * _RESOLUTION).astype(int) + 1
        self.triangles = triangles
        keep = np.all(face[triangles], axis=1)
        self._raster = rasterise(self.xy, depth, triangles, shape=(height, width), keep=keep)
        within = np.zeros((height, width), dtype=np.uint8)
        cv2.fillPoly(within, [np.rint(self.xy[eye]).astype(np.int32) for eye in eyes], 1)
        self.skin = within == 0

    def picture(self, values: Floats) -> NDArray[np.float32]:
        """Values (V, C) at the template's vertices as a picture (H, W, C)."""
        return interpolate(values, self.triangles, self._raster)

    def at_vertices(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (V, C) of a picture (H, W, C) at the vertices; zero outside it."""
        height, width = picture.shape[:2]
        x, y = self.xy.T
        inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        return np.where(inside[:, None], sample_bilinear(picture, x, y), np.float32(0))

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(H, W), where the template shows."""
        shown: NDArray[np.bool_] = self._raster.triangle_id >= 0
        return shown


class Pattern(NamedTuple):
    """The skin of a frame on the CylinderRaster, without its lighting.

    Attributes
    ----------
    grey : (H, W) uint8
    known : (H, W) bool, where the scan shows it
    """

    grey: NDArray[np.uint8]
    known: NDArray[np.bool_]


class Tracker:
    """Follows the skin of one sequence; its first frame is the neutral one.

    Parameters
    ----------
    raster : of the template's face
    """

    def __init__(self, raster: CylinderRaster) -> None:
        self._raster = raster
        self._neutral: Pattern | None = None

    def follow(self, scan: UnwrappedScan, query: Floats, texture: Texture) -> NDArray[np.float32]:
        """Where the template's vertices lie on a frame's plane.

        Parameters
        ----------
        scan : the frame's
        query : (V, 2) pixels of the plane, by the landmarks
        texture : of the scan

        Returns
        -------
        (V, 2) pixels, corrected by the skin's pattern; unchanged for the first frame, for one of a
        sequence whose first has no texture, and where the pictures do not agree better
        """
        corrected = np.asarray(query, dtype=np.float32)
        pattern = self._pattern(scan, corrected, texture)
        if self._neutral is None:
            self._neutral = pattern
            return corrected
        if not self._neutral.known.any():
            return corrected
        for number, halvings in enumerate(_HALVINGS):
            if number:
                pattern = self._pattern(scan, corrected, texture)
            flow = _flow(self._neutral, pattern, halvings, skin=self._raster.skin)
            if not _agrees_better(self._neutral, pattern, flow):
                break
            # a step on the picture is a step on the plane: both are the cylinder's, near enough
            step = self._raster.at_vertices(flow) * np.float32(
                scan.cylinder.resolution / _RESOLUTION
            )
            corrected = corrected + step
        return corrected

    def _pattern(
        self, scan: UnwrappedScan, query: NDArray[np.float32], texture: Texture
    ) -> Pattern:
        positions = self._raster.picture(query)
        height, width = positions.shape[:2]
        located = scan.locate(positions.reshape(-1, 2))
        known = (located.triangle >= 0).reshape(height, width) & self._raster.shown
        colours = texture.colours(scan.triangles, *located)
        grey = (colours @ _LUMINANCE).reshape(height, width)
        sigma = _LIGHT_MM * _RESOLUTION
        contrast = np.where(known, grey - _local_mean(grey, known, sigma), 0)
        variance = np.maximum(_local_mean(contrast**2, known, 2 * sigma), 0)
        levels = _GREY + _LEVELS_PER_SD * contrast / (np.sqrt(variance) + _CAMERA_NOISE)
        return Pattern(np.clip(levels, 0, 255).astype(np.uint8), known)


def _flow(
    reference: Pattern, pattern: Pattern, halvings: int, *, skin: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Flow (H, W, 2) px from the neutral's picture to this one, smooth, continued from what is
    known of it on the `skin` (H, W): an eye stays when its lids move, and its contrast, greater
    than theirs, would hold them back."""
    neutral = reference.grey
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(halvings)
    search.setPatchStride(_PATCH_STRIDE)
    search.setGradientDescentIterations(_DESCENTS)
    search.setVariationalRefinementIterations(_REFINEMENTS)
    flow = search.calc(neutral, pattern.grey, None)  # type: ignore[call-overload]  # no guess
    margin = np.ones((2 * _MARGIN_PX + 1,) * 2, dtype=np.uint8)
    both = (pattern.known & reference.known & skin).astype(np.uint8)
    sure = cv2.erode(both, margin).astype(bool)
    sure &= np.linalg.norm(flow, axis=2) < _MAX_CORRECTION_MM * _RESOLUTION
    gradient = cv2.Sobel(neutral, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(neutral, cv2.CV_32F, 0, 1) ** 2
    weight = np.where(sure, gradient + 1.0, 0).astype(np.float32)
    sigma = _SMOOTH_MM * _RESOLUTION * 2**halvings
    no_flow = _NO_FLOW * weight[sure].mean() if sure.any() else 1.0
    unknown = np.where(sure, 0, no_flow).astype(np.float32)
    total = cv2.GaussianBlur(weight + unknown, (0, 0), sigma)[..., None]
    smooth = cv2.GaussianBlur(flow * weight[..., None], (0, 0), sigma)
    corrections: NDArray[np.float32] = smooth / np.maximum(total, _MIN_WEIGHT)
    return corrections


def _agrees_better(reference: Pattern, pattern: Pattern, flow: NDArray[np.float32]) -> bool:
    """Whether the flow brings this picture nearer to the neutral's."""
    rows, columns = np.indices(pattern.known.shape, dtype=np.float32)
    warped = cv2.remap(
        pattern.grey, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR
    ).astype(np.int16)
    both = pattern.known & reference.known
    before = np.abs(pattern.grey.astype(np.int16) - reference.grey)[both].sum()
    return bool(np.abs(warped - reference.grey)[both].sum() < before)


def _local_mean(
    image: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Mean (H, W) of an image where the mask holds, under a Gaussian of `sigma` px (8 or more):
    taken at a quarter of the resolution, which so wide a kernel does not notice."""
    height, width = image.shape
    small = (-(-width // _COARSER), -(-height // _COARSER))
    both = np.dstack([np.where(mask, image, 0), mask]).astype(np.float32)
    coarse = cv2.resize(both, small, interpolation=cv2.INTER_AREA)
    total, share = cv2.split(cv2.GaussianBlur(coarse, (0, 0), sigma / _COARSER))
    mean = np.asarray(total / np.maximum(share, _MIN_WEIGHT), dtype=np.float32)
    fine = cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine, dtype=np.float32)
