"""What every edit of one photograph shares: the projected face and what of it is visible."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.fitting import Fit
from affect4d.geometry.raster import Raster, interpolate, rasterise
from affect4d.synthesis.crop import Crop, Window
from affect4d.template.anatomy import Anatomy
from affect4d.template.ibug68 import OUTER_EYE_CORNERS

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
HIDDEN_MM = 2.5  # farther than this behind the nearest surface: hidden
MIN_INTER_OCULAR_MM = 80.0  # a little below the template's distance of the outer eye corners
BACKGROUND = np.float32(-1e9)  # pixels, depth where there is no face


@dataclass(frozen=True)
class Scene:
    """A picture with the fitted face in it.

    Attributes
    ----------
    image : (H, W, 3)
    vertices : (V, 3), mm, the fitted face in the template's frame
    xy : (V, 2), pixels of the picture, the fit's offset included
    depth : (V,), pixels, greater is nearer
    motion : (3, 3), pixels (x, y, depth) per mm of deformation, in the middle of the face
    nearness : (V,), how much larger than that perspective shows each vertex's
    zoom : pixels of the picture per pixel of the photograph
    yaw : degrees
    anatomy : of the template
    neutralised_mm : how much of an expression was removed from the photograph (`neutralising`)
    """

    image: NDArray[np.uint8]
    vertices: Floats
    xy: Floats
    depth: Floats
    motion: Floats
    nearness: Floats
    zoom: float
    yaw: float
    anatomy: Anatomy
    neutralised_mm: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.image.shape[:2]
        return height, width

    @cached_property
    def scale(self) -> float:
        """Pixels per mm."""
        return float(np.linalg.norm(self.motion[0]))

    @cached_property
    def inter_ocular(self) -> float:
        """Distance of the outer eye corners in the picture, pixels; at least as if seen frontally.

        A turned head shortens the distance, hence the camera's scale as a lower bound.
        """
        left, right = self.xy[self.anatomy.landmark_vertices[OUTER_EYE_CORNERS]]
        return max(float(np.linalg.norm(left - right)), MIN_INTER_OCULAR_MM * self.scale)

    @cached_property
    def drawn(self) -> NDArray[np.bool_]:
        """(F,): triangles that take part.

        The neck does not: the map's smooth continuation lets it follow the jaw, while a neck that
        does not move keeps whatever of the chin the fit has missed.
        """
        return ~self.anatomy.neck

    @cached_property
    def areas(self) -> Floats:
        """(F,), pixels^2: twice the triangles' areas in the picture; negative: backs."""
        return facing(self.xy, self.anatomy.triangles)

    @cached_property
    def raster(self) -> Raster:
        """Triangle ids (H, W) and barycentric coordinates (H, W, 3) of the face as it is."""
        keep = self.drawn & (self.areas > 0)
        triangles = self.anatomy.triangles
        return rasterise(self.xy, self.depth, triangles, shape=self.shape, keep=keep)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(V,): vertices that the picture shows (z-buffer of the face as it is)."""
        height, width = self.shape
        nearest = interpolate(self.depth, self.anatomy.triangles, self.raster)[..., 0]
        nearest = np.where(self.raster.triangle_id >= 0, nearest, BACKGROUND)
        farther = cv2.erode(nearest, np.ones((3, 3), np.uint8))
        column = np.clip(np.rint(self.xy[:, 0]), 0, width - 1).astype(int)
        row = np.clip(np.rint(self.xy[:, 1]), 0, height - 1).astype(int)
        x, y = self.xy.T
        inside = (np.abs(x - column) <= 0.5) & (np.abs(y - row) <= 0.5)
        return np.asarray(inside & (self.depth >= farther[row, column] - HIDDEN_MM * self.scale))

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """(F,): triangles whose texture the picture shows."""
        a, b, c = self.anatomy.triangles.T
        return np.asarray(
            self.drawn & self.seen[a] & self.seen[b] & self.seen[c] & (self.areas > 0)
        )

    @cached_property
    def grey(self) -> bool:
        """Whether the picture has no colour."""
        red, green, blue = cv2.split(self.image)
        return np.array_equal(red, green) and np.array_equal(green, blue)


@numba.njit(cache=True)
def facing(xy: Floats, triangles: Ints) -> Floats:
    """(F,) float32, pixels^2: twice the area in the picture, positive where the front shows."""
    areas = np.empty(len(triangles), dtype=np.float32)
    for f in range(len(triangles)):
        a, b, c = xy[triangles[f, 0]], xy[triangles[f, 1]], xy[triangles[f, 2]]
        areas[f] = (b[1] - a[1]) * (c[0] - a[0]) - (b[0] - a[0]) * (c[1] - a[1])
    return areas


def make_scene(
    fit: Fit, image: NDArray[np.uint8], anatomy: Anatomy, *, crop: Crop | Window | None = None
) -> Scene:
    """A Scene from a fit.

    Parameters
    ----------
    fit : of the face in the photograph
    image : (H, W, 3), the photograph, or its crop when `crop` is given
    anatomy : of the template whose topology the fit has
    crop : carries the photograph's pixels to those of `image`
    """
    camera = fit.camera
    projected = camera.project(fit.vertices)
    middle = fit.vertices[anatomy.landmark_vertices].mean(0, keepdims=True)
    xy, motion, zoom = projected[:, :2] + fit.offset, camera.jacobian(middle)[0], 1.0
    if crop is not None:
        xy, zoom = crop.apply(xy), crop.zoom
        motion = zoom * np.vstack([crop.turn @ motion[:2], motion[2:]])
    depth = np.append(projected[:, 2], camera.project(middle)[:, 2])
    magnification = 1 + camera.inverse_distance / camera.scale * depth
    return Scene(
        image=image,
        vertices=fit.vertices,
        xy=np.ascontiguousarray(xy, dtype=np.float32),
        depth=np.ascontiguousarray(zoom * projected[:, 2], dtype=np.float32),
        motion=motion.astype(np.float32),
        nearness=(magnification[:-1] / magnification[-1]).astype(np.float32),
        zoom=zoom,
        yaw=camera.yaw_degrees,
        anatomy=anatomy,
        neutralised_mm=fit.quality.get("neutralised_mm", 0.0),
    )
