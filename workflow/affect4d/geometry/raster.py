"""A z-buffer that keeps triangle ids and barycentric coordinates instead of colours.

One raster serves registration (cylindrical UV plane), synthesis (image plane) and pictures:
whatever is attached to vertices is interpolated afterwards.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

# Barycentric coordinates this far outside a triangle still belong to it, which closes the cracks
# that rounding leaves between neighbours (float32 holds 1 to 6e-8).
EDGE_TOLERANCE = 1e-5
MIN_AREA_PX = 1e-12  # twice the area, pixels^2, below which a triangle is degenerate

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


class Raster(NamedTuple):
    """What is drawn at each pixel.

    Attributes
    ----------
    triangle_id : (H, W) int32, -1 where nothing is drawn
    barycentric : (H, W, 3) float32, zero where nothing is drawn
    """

    triangle_id: NDArray[np.int32]
    barycentric: NDArray[np.float32]


def rasterise(
    xy: Floats,
    depth: Floats,
    triangles: Ints,
    *,
    shape: tuple[int, int],
    keep: NDArray[np.bool_] | None = None,
) -> Raster:
    """Draw triangles into a z-buffer; the greater depth wins.

    Parameters
    ----------
    xy : (V, 2), pixels; pixel (row j, column i) has its centre at x = i, y = j
    depth : (V,), greater is nearer to the viewer
    triangles : (F, 3)
    shape : height and width, pixels
    keep : (F,), triangles to draw; all when absent
    """
    positions = np.ascontiguousarray(xy, dtype=np.float32)
    corners = np.ascontiguousarray(triangles, dtype=np.int32)
    triangle_id = draw(positions, depth, corners, shape=shape, keep=keep)
    return Raster(triangle_id, barycentric(triangle_id, positions, corners))


def draw(
    xy: Floats,
    depth: Floats,
    triangles: Ints,
    *,
    shape: tuple[int, int],
    keep: NDArray[np.bool_] | None = None,
) -> NDArray[np.int32]:
    """The first part of `rasterise`: triangle ids (H, W), -1 where nothing is drawn."""
    height, width = shape
    return _draw(
        np.ascontiguousarray(xy, dtype=np.float32),
        np.ascontiguousarray(depth, dtype=np.float32),
        np.ascontiguousarray(triangles, dtype=np.int32),
        np.ones(len(triangles), dtype=np.bool_) if keep is None else keep,
        int(height),
        int(width),
    )


@numba.njit(cache=True)
def _span(a: np.float32, b: np.float32, c: np.float32, size: int) -> tuple[int, int]:
    """First and last pixel between three coordinates that lie on the raster; none where NaN."""
    low, high = min(a, b, c), max(a, b, c)
    if not (high >= 0 and low <= size - 1):
        return 0, -1
    return int(np.ceil(max(low, np.float32(0.0)))), int(min(high, np.float32(size - 1)))


@numba.njit(cache=True)
def _draw(
    xy: NDArray[np.float32],
    depth: NDArray[np.float32],
    triangles: NDArray[np.int32],
    keep: NDArray[np.bool_],
    height: int,
    width: int,
) -> NDArray[np.int32]:
    ids = np.full((height, width), -1, dtype=np.int32)
    nearest = np.full((height, width), -np.inf, dtype=np.float32)
    low, high = np.float32(-EDGE_TOLERANCE), np.float32(1.0 + EDGE_TOLERANCE)
    for f in range(len(triangles)):
        if not keep[f]:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = xy[a, 0], xy[a, 1]
        bx, by = xy[b, 0], xy[b, 1]
        cx, cy = xy[c, 0], xy[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not abs(area) > MIN_AREA_PX:  # degenerate or NaN
            continue
        x0, x1 = _span(ax, bx, cx, width)
        y0, y1 = _span(ay, by, cy, height)
        if x0 > x1 or y0 > y1:
            continue
        inverse = np.float32(1.0) / area
        # weights of b and c are linear over the pixels; positions relative to a keep digits
        b_right, b_down = (cy - ay) * inverse, -(cx - ax) * inverse
        c_right, c_down = -(by - ay) * inverse, (bx - ax) * inverse
        x, y = np.float32(x0) - ax, np.float32(y0) - ay
        b_row, c_row = x * b_right + y * b_down, x * c_right + y * c_down
        za, zb, zc = depth[a], depth[b] - depth[a], depth[c] - depth[a]
        for j in range(y0, y1 + 1):
            wb, wc = b_row, c_row
            for i in range(x0, x1 + 1):
                if wb >= low and wc >= low and wb + wc <= high:
                    z = za + wb * zb + wc * zc
                    if z > nearest[j, i]:
                        nearest[j, i] = z
                        ids[j, i] = f
                wb += b_right
                wc += c_right
            b_row += b_down
            c_row += c_down
    return ids


@numba.njit(cache=True)
def barycentric(
    ids: NDArray[np.int32], xy: NDArray[np.float32], triangles: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Barycentric coordinates (H, W, 3) float32 in the triangles drawn (H, W); 0 where none is."""
    height, width = ids.shape
    weights = np.zeros((height, width, 3), dtype=np.float32)
    for j in range(height):
        for i in range(width):
            f = ids[j, i]
            if f < 0:
                continue
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            ax, ay = xy[a, 0], xy[a, 1]
            bx, by = xy[b, 0], xy[b, 1]
            cx, cy = xy[c, 0], xy[c, 1]
            inverse = np.float32(1.0) / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
            weights[j, i, 0] = ((bx - i) * (cy - j) - (cx - i) * (by - j)) * inverse
            weights[j, i, 1] = ((cx - i) * (ay - j) - (ax - i) * (cy - j)) * inverse
            weights[j, i, 2] = np.float32(1.0) - weights[j, i, 0] - weights[j, i, 1]
    return weights


def interpolate(
    values: Floats, triangles: Ints, raster: tuple[NDArray[np.int32], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Values at vertices carried to the pixels of a raster.

    Parameters
    ----------
    values : (V, C), or (V,) for one channel
    triangles : (F, 3)
    raster : Raster, or its two parts

    Returns
    -------
    (H, W, C), zero where nothing is drawn
    """
    channels = np.ascontiguousarray(values, dtype=np.float32)
    if channels.ndim == 1:
        channels = channels[:, None]
    return _interpolate(*raster, np.ascontiguousarray(triangles, dtype=np.int32), channels)


@numba.njit(cache=True)
def _interpolate(
    triangle_id: NDArray[np.int32],
    barycentric: NDArray[np.float32],
    triangles: NDArray[np.int32],
    values: NDArray[np.float32],
) -> NDArray[np.float32]:
    height, width = triangle_id.shape
    channels = values.shape[1]
    out = np.zeros((height, width, channels), dtype=np.float32)
    for j in range(height):
        for i in range(width):
            f = triangle_id[j, i]
            if f < 0:
                continue
            for corner in range(3):
                w = barycentric[j, i, corner]
                v = triangles[f, corner]
                for k in range(channels):
                    out[j, i, k] += w * values[v, k]
    return out
