"""The cylinder on which scan and template are unwrapped, and what it shows of a scan.

u = r * theta, v = y, depth = distance from the axis (Booth & Zafeiriou, ICIP 2014). The plane is
rasterised once per scan; every template vertex then looks up the one triangle under it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

# A barycentric coordinate is not extrapolated further outside its triangle than this, so that the
# sliver of a triangle under a position half a pixel off does not throw it far away.
_MAX_OUTSIDE = 0.5

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class Located(NamedTuple):
    """Positions on a scan's surface.

    Attributes
    ----------
    triangle : (N,) int32, -1 where the scan shows nothing
    weights : (N, 3) float32, barycentric coordinates in it
    """

    triangle: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Cylinder:
    """A vertical cylinder and the window of its plane that is rasterised.

    Attributes
    ----------
    axis : x and z of the vertical axis, mm
    radius : mm; an arc at this distance from the axis keeps its length
    window : left, bottom, right and top of the (u, v) plane, mm
    resolution : pixels per mm
    """

    axis: tuple[float, float]
    radius: float
    window: tuple[float, float, float, float]
    resolution: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the raster, pixels."""
        left, bottom, right, top = self.window
        return (
            int(np.ceil((top - bottom) * self.resolution)) + 1,
            int(np.ceil((right - left) * self.resolution)) + 1,
        )

    def unwrap(self, points: Floats) -> tuple[Floats, Floats]:
        """Points (N, 3) mm -> uv (N, 2) mm, depth (N,) mm; the seam lies behind the head."""
        x = points[:, 0] - self.axis[0]
        z = points[:, 2] - self.axis[1]
        uv = np.stack([self.radius * np.arctan2(x, z), points[:, 1]], axis=1)
        return uv, np.hypot(x, z)

    def pixels(self, uv: Floats) -> Floats:
        """(u, v) (N, 2) mm -> (x right, y down) pixels of the raster."""
        left, _, _, top = self.window
        return np.stack([uv[:, 0] - left, top - uv[:, 1]], axis=1) * self.resolution


@dataclass(frozen=True)
class UnwrappedScan:
    """An aligned scan, and how the cylinder's plane shows it.

    Attributes
    ----------
    cylinder : Cylinder
    vertices : (V, 3) mm, aligned to the template
    xy : (V, 2) float32, pixels of the vertices on the plane
    triangles : (F, 3)
    triangle_id : (H, W), -1 where the plane shows no triangle
    """

    cylinder: Cylinder
    vertices: NDArray[np.float32]
    xy: NDArray[np.float32]
    triangles: NDArray[np.int32]
    triangle_id: NDArray[np.int32]

    def locate(self, xy: Floats) -> Located:
        """Where positions (N, 2), pixels of the plane, lie on the scan.

        The raster proposes the triangle, the coordinates are exact; a position up to half a pixel
        outside its triangle is carried on linearly.
        """
        query = np.ascontiguousarray(xy, dtype=np.float32)
        return Located(*_locate(query, self.xy, self.triangles, self.triangle_id))

    def points(self, located: Located) -> NDArray[np.float32]:
        """The located points (N, 3) mm; zero where nothing is located."""
        return sample(self.vertices, self.triangles, located)


def sample(values: Floats, triangles: Ints, located: Located) -> NDArray[np.float32]:
    """Values at vertices (V, C) of triangles (F, 3) at located positions: (N, C).

    Rows that are not located are zero.
    """
    return _sample(
        np.ascontiguousarray(values, dtype=np.float32),
        np.ascontiguousarray(triangles, dtype=np.int32),
        *located,
    )


@numba.njit(cache=True)
def _locate(
    query: NDArray[np.float32],
    xy: NDArray[np.float32],
    triangles: NDArray[np.int32],
    triangle_id: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    low, high = np.float32(-_MAX_OUTSIDE), np.float32(1.0 + _MAX_OUTSIDE)
    height, width = triangle_id.shape
    triangle = np.full(len(query), -1, dtype=np.int32)
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
        wb = min(max(wb, low), high)
        wc = min(max(wc, low), high)
        triangle[n] = f
        weights[n, 0] = np.float32(1.0) - wb - wc
        weights[n, 1] = wb
        weights[n, 2] = wc
    return triangle, weights


@numba.njit(cache=True)
def _sample(
    values: NDArray[np.float32],
    triangles: NDArray[np.int32],
    triangle: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> NDArray[np.float32]:
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
