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
    depth = np.ascontiguousarray(depth, dtype=np.float32)
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    chosen = np.arange(len(triangles)) if keep is None else np.flatnonzero(keep)
    return _rasterise(xy, depth, triangles, chosen.astype(np.int32), int(height), int(width))


@numba.njit(cache=True, fastmath=False)
def _rasterise(xy, depth, triangles, chosen, height, width):
    ids = np.full((height, width), -1, dtype=np.int32)
    weights = np.zeros((height, width, 3), dtype=np.float32)
    nearest = np.full((height, width), -np.inf, dtype=np.float32)
    for f in chosen:
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = xy[a, 0], xy[a, 1]
        bx, by = xy[b, 0], xy[b, 1]
        cx, cy = xy[c, 0], xy[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not abs(area) > 1e-12:  # degenerate or NaN
            continue
        left, right = min(ax, bx, cx), max(ax, bx, cx)
        top, bottom = min(ay, by, cy), max(ay, by, cy)
        if not (right >= 0 and left <= width - 1 and bottom >= 0 and top <= height - 1):
            continue
        x0, x1 = int(np.ceil(max(left, 0.0))), int(np.floor(min(right, width - 1.0)))
        y0, y1 = int(np.ceil(max(top, 0.0))), int(np.floor(min(bottom, height - 1.0)))
        for j in range(y0, y1 + 1):
            for i in range(x0, x1 + 1):
                wa = ((bx - i) * (cy - j) - (cx - i) * (by - j)) / area
                wb = ((cx - i) * (ay - j) - (ax - i) * (cy - j)) / area
                wc = np.float32(1.0) - wa - wb
                # a hair of tolerance closes the cracks between neighbours
                if wa < -1e-5 or wb < -1e-5 or wc < -1e-5:
                    continue
                z = wa * depth[a] + wb * depth[b] + wc * depth[c]
                if z > nearest[j, i]:
                    nearest[j, i] = z
                    ids[j, i] = f
                    weights[j, i, 0] = wa
                    weights[j, i, 1] = wb
                    weights[j, i, 2] = wc
    return ids, weights


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
