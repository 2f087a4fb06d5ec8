"""Skin followed from the neutral frame to the others of its sequence.

Landmarks place every frame anew, each time with other noise; the skin's own pattern says how far
two frames of one face disagree. Both are pictured on the template's cylinder and the dense optical
flow between the pictures (DIS, Kroeger et al., ECCV 2016) corrects the correspondence. Errors of
the neutral frame itself stay, but are the same in every frame, and later rooms use differences.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.registration.cylinder import sample

# Pixels per mm of the pictures: fine enough for freckles, coarse enough for DIS's patches.
_RESOLUTION = 1.5
# The flow is averaged over this distance (mm), weighted by the pattern's contrast.
_SMOOTH_MM = 1.2
# Pictures taken anew along the corrected correspondence: the first flow is too short.
_PASSES = 2
# Lighting varies over this distance (mm) and more; it is taken out.
_LIGHT_MM = 5.0
_COARSER = 4
# Pictures are not compared this near to where one of them ends.
_MARGIN_PX = 2
# The flow takes over from the landmarks at this distance (mm) from the inner lips.
_LIPS_MM = 1.5
# Corrections beyond this (mm) are no landmark noise: the flow has lost its way.
_FARTHEST_MM = 6.0


@dataclass(frozen=True)
class Texture:
    """image (H, W, 3) uint8; uv (N, 2) of the scan's vertices, v up."""

    image: np.ndarray
    uv: np.ndarray

    def colours(self, triangles, triangle, weights):
        """Colours (M, 3) float32 at located positions of the scan; arbitrary where none was."""
        uv = sample(self.uv, triangles, triangle, weights)
        height, width = self.image.shape[:2]
        return lookup(self.image, uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5)


def lookup(image, x, y):
    """Bilinear values (M, C) float32 of an image at pixel positions x, y (M,)."""
    row = 4096  # cv2.remap takes at most 32,767 columns
    maps = [np.resize(part, (-(-len(part) // row), row)).astype(np.float32) for part in (x, y)]
    values = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(maps[0].size, -1)[: len(x)].astype(np.float32)


class Grid:
    """The face of the template as a picture on its cylinder.

    Parameters
    ----------
    uv, depth : (V, 2) and (V,) mm, the unwrapped template
    triangles : (F, 3)
    face : (V,) bool, vertices that may show
    lips : (K, 2) mm, the unwrapped inner lips, where landmarks are dense and skin comes and goes
    """

    def __init__(self, uv, depth, triangles, face, lips):
        low, high = uv[face].min(0), uv[face].max(0)
        self.xy = ((uv - [low[0], high[1]]) * [_RESOLUTION, -_RESOLUTION]).astype(np.float32)
        width, height = np.ceil((high - low) * _RESOLUTION).astype(int) + 1
        self.triangles = triangles
        self._raster = rasterise(
            self.xy, depth, triangles, shape=(height, width), keep=face[triangles].all(1)
        )

        distance = cKDTree(lips).query(uv)[0] / _LIPS_MM
        fade = 1.0 - np.exp(-0.5 * np.maximum(distance - 1.0, 0.0)[:, None] ** 2)
        self.trust = self.picture(fade)

    def picture(self, values):
        """Values (V, C) at the template's vertices as a picture (H, W, C) float32."""
        ids, weights = self._raster
        return interpolate(values, self.triangles, (ids, weights))

    def at_vertices(self, picture):
        """Values (V, C) of a picture (H, W, C) at the vertices; zero outside it."""
        height, width = picture.shape[:2]
        x, y = self.xy.T
        inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        return np.where(inside[:, None], lookup(picture, x, y), np.float32(0))

    @property
    def shown(self):
        """(H, W) bool, where the template shows."""
        return self._raster[0] >= 0


class Tracker:
    """Follows the skin of one sequence; its first frame is the neutral one.

    Parameters
    ----------
    grid : Grid
    """

    def __init__(self, grid):
        self._grid = grid
        self._neutral: tuple[np.ndarray, np.ndarray] | None = None

    def follow(self, plane, query, texture):
        """Where the template's vertices lie on a frame's plane.

        Parameters
        ----------
        plane : Plane of the scan
        query : (V, 2) pixels of the plane, by the landmarks
        texture : Texture of the scan

        Returns
        -------
        (V, 2) float32 pixels, corrected by the skin's pattern; unchanged for the first frame, for
        one of a sequence whose first has no texture, and where the pictures do not agree better
        """
        query = np.asarray(query, dtype=np.float32)
        pattern, known = self._pattern(plane, query, texture)
        if self._neutral is None:
            self._neutral = pattern, known
            return query
        if not self._neutral[1].any():
            return query
        for number in range(_PASSES):
            if number:
                pattern, known = self._pattern(plane, query, texture)
            flow = self._flow(self._neutral, pattern, known)
            if not _agrees_better(self._neutral, pattern, known, flow):
                break
            # a step on the picture is a step on the plane: both are the cylinder's, near enough
            step = self._grid.at_vertices(flow) * np.float32(plane.resolution / _RESOLUTION)
            query = query + step
        return query

    def _pattern(self, plane, query, texture):
        """Skin without its lighting (H, W) uint8, and where it is known (H, W) bool."""
        places = self._grid.picture(query)
        height, width = places.shape[:2]
        triangle, weights = plane.locate(places.reshape(-1, 2))
        known = (triangle >= 0).reshape(height, width) & self._grid.shown
        colours = texture.colours(plane.triangles, triangle, weights)
        grey = (colours @ np.array([0.3, 0.6, 0.1], dtype=np.float32)).reshape(height, width)
        sigma = _LIGHT_MM * _RESOLUTION
        mean = _local_mean(grey, known, sigma)
        contrast = np.where(known, grey - mean, 0)
        spread = np.sqrt(np.maximum(_local_mean(contrast**2, known, 2 * sigma), 0)) + 4.0
        return np.clip(128 + 48 * contrast / spread, 0, 255).astype(np.uint8), known

    def _flow(self, reference, pattern, known):
        """Flow (H, W, 2) px from the neutral's picture to this one, smooth, zero where unknown."""
        neutral, neutral_known = reference
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # half the work of the preset for a hundredth more error
        search.setPatchStride(4)
        search.setGradientDescentIterations(12)
        search.setVariationalRefinementIterations(2)
        flow = search.calc(neutral, pattern, None)  # type: ignore[call-overload]  # no first guess
        reach = np.ones((2 * _MARGIN_PX + 1,) * 2, dtype=np.uint8)
        sure = cv2.erode((known & neutral_known).astype(np.uint8), reach).astype(bool)
        sure &= np.linalg.norm(flow, axis=2) < _FARTHEST_MM * _RESOLUTION
        gradient = (
            cv2.Sobel(neutral, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(neutral, cv2.CV_32F, 0, 1) ** 2
        )
        weight = np.where(sure, gradient + 1.0, 0).astype(np.float32)
        sigma = _SMOOTH_MM * _RESOLUTION
        # where no skin is known the flow fades to none
        unknown = np.where(sure, 0, weight[sure].mean() if sure.any() else 1).astype(np.float32)
        total = cv2.GaussianBlur(weight + unknown, (0, 0), sigma)[..., None]
        smooth = cv2.GaussianBlur(flow * weight[..., None], (0, 0), sigma)
        return smooth / np.maximum(total, 1e-3) * self._grid.trust


def _agrees_better(reference, pattern, known, flow):
    """Whether the flow brings this picture nearer to the neutral's."""
    neutral, neutral_known = reference
    rows, columns = np.indices(known.shape, dtype=np.float32)
    warped = cv2.remap(
        pattern, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR
    ).astype(np.int16)
    both = known & neutral_known
    before = np.abs(pattern.astype(np.int16) - neutral)[both].sum()
    return np.abs(warped - neutral)[both].sum() < before


def _local_mean(image, mask, sigma):
    """Mean (H, W) of an image where the mask holds, under a Gaussian of `sigma` px (8 or more):
    taken at a quarter of the resolution, which so wide a kernel does not notice."""
    height, width = image.shape
    small = (-(-width // _COARSER), -(-height // _COARSER))
    both = np.dstack([np.where(mask, image, 0), mask]).astype(np.float32)
    coarse = cv2.resize(both, small, interpolation=cv2.INTER_AREA)
    total, share = cv2.split(cv2.GaussianBlur(coarse, (0, 0), sigma / _COARSER))
    mean = total / np.maximum(share, 1e-3)
    return cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
