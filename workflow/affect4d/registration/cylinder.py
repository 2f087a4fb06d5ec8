"""The cylinder on which scan and template are unwrapped, and what it shows of a scan.

u = r * theta, v = y, depth = distance from the axis (Booth & Zafeiriou, ICIP 2014). The plane is
rasterised once a scan; every template vertex then looks up the one triangle under it.
"""

from dataclasses import dataclass

import numba
import numpy as np

from affect4d.geometry.raster import draw


@dataclass(frozen=True)
class Cylinder:
    """A vertical cylinder and the window of its plane that is rasterised.

    Attributes
    ----------
    axis : (x, z) mm, where the axis stands
    radius : mm; an arc at this distance from the axis keeps its length
    window : (left, bottom, right, top) mm of the (u, v) plane
    resolution : pixels per mm
    """

    axis: tuple[float, float]
    radius: float
    window: tuple[float, float, float, float]
    resolution: float

    @property
    def shape(self):
        """(height, width) of the raster, pixels."""
        left, bottom, right, top = self.window
        return (
            int(np.ceil((top - bottom) * self.resolution)) + 1,
            int(np.ceil((right - left) * self.resolution)) + 1,
        )

    def unwrap(self, points):
        """Points (N, 3) mm -> (uv (N, 2) mm, depth (N,) mm); the seam lies behind the head."""
        x = points[:, 0] - self.axis[0]
        z = points[:, 2] - self.axis[1]
        uv = np.stack([self.radius * np.arctan2(x, z), points[:, 1]], axis=1)
        return uv, np.hypot(x, z)

    def pixels(self, uv):
        """(u, v) mm -> (x right, y down) pixels of the raster."""
        left, _, _, top = self.window
        return np.stack([uv[:, 0] - left, top - uv[:, 1]], axis=1) * self.resolution


@dataclass(frozen=True)
class Plane:
    """A scan on the cylinder's plane.

    Attributes
    ----------
    xy : (V, 2) float32 pixels of the scan's vertices
    triangles : (F, 3) int32
    triangle_id : (H, W) int32, -1 where no triangle is seen
    resolution : pixels per mm
    """

    xy: np.ndarray
    triangles: np.ndarray
    triangle_id: np.ndarray
    resolution: float

    def locate(self, xy):
        """The triangle under each position and the barycentric coordinates in it.

        The raster proposes the triangle, the coordinates are exact; a position up to half a pixel
        outside its triangle is carried on linearly.

        Parameters
        ----------
        xy : (N, 2) pixels

        Returns
        -------
        triangle : (N,) int32, -1 where nothing is seen
        weights : (N, 3) float32
        """
        xy = np.ascontiguousarray(xy, dtype=np.float32)
        return _locate(xy, self.xy, self.triangles, self.triangle_id)


def unroll(cylinder, uv, depth, triangles, keep):
    """Rasterise an unwrapped scan (mm, aligned to the template) -> Plane; `keep` is (F,) bool."""
    xy = np.ascontiguousarray(cylinder.pixels(uv), dtype=np.float32)
    height, width = cylinder.shape
    triangle_id = draw(xy, depth, triangles, shape=(height, width), keep=keep)
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    return Plane(xy, triangles, triangle_id, cylinder.resolution)


def sample(values, triangles, triangle, weights):
    """Values (V, C) at the located positions: (N, C) float32; rows not located are zero."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    return _sample(values, np.ascontiguousarray(triangles, dtype=np.int32), triangle, weights)


@numba.njit(cache=True)
def _locate(query, xy, triangles, triangle_id):
    height, width = triangle_id.shape
    found = np.full(len(query), -1, dtype=np.int32)
    weights = np.zeros((len(query), 3), dtype=np.float32)
    for n in range(len(query)):
        x, y = query[n, 0], query[n, 1]
        if not (x > -0.5 and y > -0.5 and x < width - 0.5 and y < height - 0.5):
            continue
        f = triangle_id[int(np.rint(y)), int(np.rint(x))]
        if f < 0:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        vx, vy = xy[c, 0] - xy[a, 0], xy[c, 1] - xy[a, 1]
        px, py = x - xy[a, 0], y - xy[a, 1]
        area = ux * vy - uy * vx
        wb = (px * vy - py * vx) / area
        wc = (ux * py - uy * px) / area
        wb = min(max(wb, np.float32(-0.5)), np.float32(1.5))
        wc = min(max(wc, np.float32(-0.5)), np.float32(1.5))
        found[n] = f
        weights[n, 0] = np.float32(1.0) - wb - wc
        weights[n, 1] = wb
        weights[n, 2] = wc
    return found, weights


@numba.njit(cache=True)
def _sample(values, triangles, triangle, weights):
    out = np.zeros((len(triangle), values.shape[1]), dtype=np.float32)
    for n in range(len(triangle)):
        f = triangle[n]
        if f < 0:
            continue
        for corner in range(3):
            w = weights[n, corner]
            v = triangles[f, corner]
            for k in range(values.shape[1]):
                out[n, k] += w * values[v, k]
    return out
