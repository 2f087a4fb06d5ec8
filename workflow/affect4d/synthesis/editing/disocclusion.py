"""Hidden triangles that an edit moves before what the map shows, or into a gap of it."""

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.lattice import NOTHING, STEP

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

MIN_AREA_PX = 1e-6  # pixels^2, twice a triangle's: smaller ones show nothing
MAX_STRETCH = 1.0  # pixels per pixel: what moves apart by more has something between it


@numba.njit(cache=True)
def reveal(
    triangles: Ints,
    hidden: NDArray[np.int64],
    xy: Floats,
    depth: Floats,
    change: Floats,
    source: Floats,
    flow: Floats,
    triangle_ids: Ints,
    margin: np.float32,
) -> tuple[Ints, int]:
    """The nearest of some hidden triangles at each pixel where one appears, and how many do.

    It appears where the map takes the pixel from beside the face or from where the face is torn
    apart, or lies in front of what the map shows there by more than a margin, in pixels.
    """
    height, width = triangle_ids.shape
    revealed = np.full((height, width), NOTHING, np.int32)
    nearest, count = np.empty((height, width), np.float32), 0
    for f in hidden:
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay = xy[a, 0] + change[a, 0], xy[a, 1] + change[a, 1]
        bx, by = xy[b, 0] + change[b, 0], xy[b, 1] + change[b, 1]
        cx, cy = xy[c, 0] + change[c, 0], xy[c, 1] + change[c, 1]
        x0 = max(int(np.ceil(min(ax, bx, cx))), 0)
        x1 = min(int(np.floor(max(ax, bx, cx))), width - 1)
        y0 = max(int(np.ceil(min(ay, by, cy))), 0)
        y1 = min(int(np.floor(max(ay, by, cy))), height - 1)
        if x1 < x0 or y1 < y0:
            continue
        ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
        area = uy * vx - ux * vy
        if area <= np.float32(MIN_AREA_PX):
            continue
        inverse = np.float32(1) / area
        za = depth[a] + change[a, 2]
        zb, zc = depth[b] + change[b, 2] - za, depth[c] + change[c, 2] - za
        for j in range(y0, y1 + 1):
            for i in range(x0, x1 + 1):
                x, y = np.float32(i) - ax, np.float32(j) - ay
                wb, wc = (y * vx - x * vy) * inverse, (x * uy - y * ux) * inverse
                if wb < 0 or wc < 0 or wb + wc > 1:
                    continue
                z = za + wb * zb + wc * zc
                if revealed[j, i] != NOTHING:
                    before = nearest[j, i]
                else:
                    before = -np.float32(np.inf)
                    column, row = source[j, i, 0], source[j, i, 1]
                    n = triangle_ids[int(row + 0.5), int(column + 0.5)]
                    if n != NOTHING and not _is_torn(flow, int(row) // STEP, int(column) // STEP):
                        before = _depth(triangles, n, xy, depth, change, column, row)
                        before += margin
                if z > before:
                    count += revealed[j, i] == NOTHING
                    nearest[j, i], revealed[j, i] = z, f
    return revealed, count


@numba.njit(cache=True)
def _depth(
    triangles: Ints,
    n: int,
    xy: Floats,
    depth: Floats,
    change: Floats,
    x: np.float32,
    y: np.float32,
) -> np.float32:
    """The new depth of a triangle where the photograph shows it; beside it, within its bounds."""
    a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
    ux, uy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
    vx, vy = xy[c, 0] - xy[a, 0], xy[c, 1] - xy[a, 1]
    x, y = x - xy[a, 0], y - xy[a, 1]
    inverse, zero, one = np.float32(1) / (uy * vx - ux * vy), np.float32(0), np.float32(1)
    wb = min(max((y * vx - x * vy) * inverse, zero), one)
    wc = min(max((x * uy - y * ux) * inverse, zero), one - wb)
    za, zb, zc = depth[a] + change[a, 2], depth[b] + change[b, 2], depth[c] + change[c, 2]
    z: np.float32 = za + wb * (zb - za) + wc * (zc - za)
    return z


@numba.njit(cache=True)
def _is_torn(flow: Floats, row: int, column: int) -> np.bool_:
    """Whether the flow tears the cell of the lattice at a row and column apart."""
    below, right = min(row + 1, flow.shape[0] - 1), min(column + 1, flow.shape[1] - 1)
    stretch = np.float32(0)
    for k in range(2):
        a, b = flow[row, column, k], flow[row, right, k]
        c, d = flow[below, column, k], flow[below, right, k]
        stretch = max(stretch, abs(a - b), abs(a - c), abs(a - d), abs(b - c))
    return stretch > MAX_STRETCH * STEP
