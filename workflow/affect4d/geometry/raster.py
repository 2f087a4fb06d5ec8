"""A z-buffer that keeps triangle ids and barycentric coordinates instead of colours.

One raster serves registration (cylindrical UV plane), synthesis (image plane) and pictures:
whatever is attached to vertices is interpolated afterwards.
"""

import numba
import numpy as np


def rasterise(xy, depth, triangles, height, width, keep=None):
    """Draw triangles into a z-buffer; the greater depth wins.

    Parameters
    ----------
    xy : (V, 2) array, pixels
        Positions; pixel (row j, column i) has its centre at x = i, y = j.
    depth : (V,) array
        Greater is nearer to the viewer.
    triangles : (F, 3) int array
    height, width : int
    keep : (F,) bool array, optional
        Triangles to draw; all when absent.

    Returns
    -------
    triangle_id : (height, width) int32, -1 where nothing is drawn
    barycentric : (height, width, 3) float32, zero where nothing is drawn
    """
    xy = np.ascontiguousarray(xy, dtype=np.float32)
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    triangle_id = draw(xy, depth, triangles, height, width, keep)
    return triangle_id, barycentric(triangle_id, xy, triangles)


def draw(xy, depth, triangles, height, width, keep=None):
    """The first part of `rasterise`: triangle_id (height, width) int32, -1 where nothing is."""
    return _draw(
        np.ascontiguousarray(xy, dtype=np.float32),
        np.ascontiguousarray(depth, dtype=np.float32),
        np.ascontiguousarray(triangles, dtype=np.int32),
        np.ones(len(triangles), dtype=np.bool_) if keep is None else keep,
        int(height),
        int(width),
    )


@numba.njit(cache=True)
def _span(a, b, c, size):
    """First and last pixel between three coordinates that lie on the raster; none where NaN."""
    least, most = min(a, b, c), max(a, b, c)
    if not (most >= 0 and least <= size - 1):
        return 0, -1
    return int(np.ceil(max(least, np.float32(0.0)))), int(min(most, np.float32(size - 1)))


@numba.njit(cache=True)
def _draw(xy, depth, triangles, keep, height, width):
    ids = np.full((height, width), -1, dtype=np.int32)
    nearest = np.full((height, width), -np.inf, dtype=np.float32)
    low, high = np.float32(-1e-5), np.float32(1.0 + 1e-5)
    for f in range(len(triangles)):
        if not keep[f]:
            continue
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = xy[a, 0], xy[a, 1]
        bx, by = xy[b, 0], xy[b, 1]
        cx, cy = xy[c, 0], xy[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not abs(area) > 1e-12:  # degenerate or NaN
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
                # a hair of tolerance closes the cracks between neighbours
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
def barycentric(ids, xy, triangles):
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


def interpolate(triangle_id, barycentric, triangles, values):
    """Values at vertices (V, C) carried to the pixels of a raster: (H, W, C) float32, 0 outside."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if values.ndim == 1:
        values = values[:, None]
    return _interpolate(
        triangle_id, barycentric, np.ascontiguousarray(triangles, dtype=np.int32), values
    )


@numba.njit(cache=True)
def _interpolate(triangle_id, barycentric, triangles, values):
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
