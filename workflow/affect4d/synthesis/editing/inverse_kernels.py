"""Kernels that invert a flow: a first guess on the lattice, made exact by Newton's method.

Cells of the photograph's lattice are drawn where the flow takes them. Where the flow is not linear
within a cell that is a first guess, which Newton's steps on s + u(s) = p make exact; where the map
bends within a cell they are made for every pixel, on the flow of every pixel.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.lattice import STEP

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

CELL = 2  # nodes of the lattice that a drawn cell spans
MAX_NEWTON_STEPS = 4  # a node or pixel that has not converged by then keeps its guess
MAX_JUMP = 3  # nodes: steps that lead farther from the guess have left its side of a fold
MIN_MOVE = 1 / 64  # nodes: cells that move by less are left out
LAST_STEP = 1 / 8  # pixels or nodes: the step after such a one is below cv2.remap's 1/32
# Nodes, 1/16 of a pixel, as of bilinear interpolation: a flow so close to linear needs no steps.
MAX_NONLINEARITY = 1 / 32
MAX_SHEAR = 1 / 2  # nodes that a side of such a cell may lean
CELL_OVERLAP = 1 / 8  # nodes, so that no cracks are left between such cells
TRIANGLE_OVERLAP = 1e-3  # of a triangle's barycentric coordinates, for the same reason
MAX_BEND = 1 / 4  # nodes: second difference that bilinear interpolation misses by 1/16 pixel
SHARP_BEND = 1 / 2  # nodes: beyond it the cells around are refined as well
MIN_AREA = 1e-6  # nodes^2, twice a triangle's: smaller ones are folded
EDGE = 1.001  # pixels or nodes before the end: a cell to interpolate in begins at most there
MIN_DETERMINANT = 0.05  # of a cell's area: below it the flow nearly folds and the guess stays


@numba.njit(cache=True)
def invert(flow: Floats, fixed: Ints) -> Floats:
    """Where nodes of the lattice come from, (h, w, 2) float32, by their flow; both in nodes.

    Nodes `fixed` (n, 2) are their own source.
    """
    rows, columns, _ = flow.shape
    coarse = np.empty((rows, columns, 2), np.float32)
    for j in range(rows):
        for i in range(columns):
            coarse[j, i, 0], coarse[j, i, 1] = i, j
    needs_refinement = np.zeros((rows, columns), np.bool_)
    _guess(flow, coarse, needs_refinement)
    _newton_refine(flow, needs_refinement, coarse)
    for n in range(len(fixed)):
        j, i = fixed[n, 0], fixed[n, 1]
        coarse[j, i, 0], coarse[j, i, 1] = i, j
    return coarse


@numba.njit(cache=True)
def double(coarse: Floats, edge: Ints, height: int, width: int) -> Floats:
    """The lattice's map, bilinear, at every pixel; pixels `edge` (n, 2) are their own source."""
    rows, columns, _ = coarse.shape
    source = np.empty((height, width, 2), np.float32)
    row, half = np.empty(2 * columns + 2, np.float32), np.float32(0.5)
    for j in range(height):
        r, below = j // 2, min(j // 2 + j % 2, rows - 1)
        upper, lower, fine = coarse[r].reshape(-1), coarse[below].reshape(-1), source[j].reshape(-1)
        for n in range(2 * columns):
            row[n] = upper[n] + lower[n]  # half the lattice's step, twice a row: pixels
        end = 2 * columns
        row[end], row[end + 1] = row[end - 2], row[end - 1]
        for c in range(width // 2):
            x, y = row[2 * c], row[2 * c + 1]
            fine[4 * c], fine[4 * c + 1] = x, y
            fine[4 * c + 2] = half * (x + row[2 * c + 2])
            fine[4 * c + 3] = half * (y + row[2 * c + 3])
        if width % 2:
            source[j, width - 1, 0], source[j, width - 1, 1] = row[end], row[end + 1]
    if height == 2 * rows:  # beyond the last row and column of the lattice
        source[height - 1, :, 1] = height - 1
    if width == 2 * columns:
        source[:, width - 1, 0] = width - 1
    for n in range(len(edge)):
        j, i = edge[n, 0], edge[n, 1]
        source[j, i, 0], source[j, i, 1] = i, j
    return source


@numba.njit(cache=True)
def refine(
    coarse: Floats,
    far: Bools,
    flow: Floats,
    index: Ints,
    corners: Ints,
    weights: Floats,
    change: Floats,
    source: Floats,
) -> None:
    """Make a doubled map exact, in place, where that of the lattice bends within a cell."""
    height, width = far.shape
    cells = _bent_cells(coarse)
    # neighbours and steps ask for the same pixels again
    is_filled, fine = np.zeros((height, width), np.bool_), np.empty((height, width, 2), np.float32)
    zero, max_jump = np.float32(0), np.float32(MAX_JUMP * STEP)
    right, bottom = np.float32(width - EDGE), np.float32(height - EDGE)
    for cell in range(len(cells)):
        for pixel in range(STEP * STEP):
            j, i = STEP * cells[cell, 0] + pixel // STEP, STEP * cells[cell, 1] + pixel % STEP
            if j >= height or i >= width or far[j, i]:
                continue
            first_x, first_y = source[j, i, 0], source[j, i, 1]
            x, y, converged = first_x, first_y, False
            for _ in range(MAX_NEWTON_STEPS):
                x, y = min(max(x, zero), right), min(max(y, zero), bottom)
                c, r = int(x), int(y)
                for row in range(r, r + 2):
                    for column in range(c, c + 2):
                        if not is_filled[row, column]:
                            is_filled[row, column] = True
                            _fill(flow, index, corners, weights, change, row, column, fine)
                x, y, converged = _newton_step(
                    fine[r, c, 0], fine[r, c + 1, 0], fine[r + 1, c, 0], fine[r + 1, c + 1, 0],
                    fine[r, c, 1], fine[r, c + 1, 1], fine[r + 1, c, 1], fine[r + 1, c + 1, 1],
                    x, y, np.float32(i), np.float32(j),
                )  # fmt: skip
                if converged:
                    break
            if converged and max(abs(x - first_x), abs(y - first_y)) <= max_jump:
                source[j, i, 0] = min(max(x, zero), right)
                source[j, i, 1] = min(max(y, zero), bottom)


@numba.njit(cache=True)
def _bent_cells(coarse: Floats) -> Ints:
    """(n, 2): cells of the lattice in which the map differs from its bilinear interpolant."""
    rows, columns, _ = coarse.shape
    bends, touched = np.zeros((rows, columns), np.bool_), np.zeros(rows, np.bool_)
    flat, last = coarse.reshape(rows, 2 * columns), 2 * columns - 2
    bend, max_bend = np.zeros(2 * columns, np.float32), np.float32(MAX_BEND)
    for j in range(1, rows - 1):
        found = np.int32(0)
        for n in range(2, last):
            twice = flat[j, n] + flat[j, n]
            across = abs(flat[j, n - 2] + flat[j, n + 2] - twice)
            bend[n] = max(across, abs(flat[j - 1, n] + flat[j + 1, n] - twice))
        for n in range(2, last):  # counted, as a maximum would not be taken by vectors
            found += np.int32(bend[n] > max_bend)
        if found == 0:
            continue
        for i in range(1, columns - 1):
            worse = max(bend[2 * i], bend[2 * i + 1])
            if worse > max_bend:
                reach = 2 if worse > SHARP_BEND else 1
                touched[max(j - reach, 0) : j + reach] = True
                bends[max(j - reach, 0) : j + reach, max(i - reach, 0) : i + reach] = True
    cells, count = np.empty((rows * columns, 2), np.int32), 0
    for j in range(rows):
        if touched[j]:
            for i in range(columns):
                if bends[j, i]:
                    cells[count, 0], cells[count, 1], count = j, i, count + 1
    return cells[:count]


@numba.njit(cache=True)
def _guess(flow: Floats, source: Floats, needs_refinement: Bools) -> None:
    """Where nodes come from, by cells that move as their corners do; those at rest are left out.

    Cells whose flow is not linear come last; the nodes that they cover need refinement.
    """
    height, width, _ = flow.shape
    min_move = np.float32(MIN_MOVE)
    bent, count = np.empty((height * width // CELL, 2), np.int32), 0
    for j in range(0, height - 1, CELL):
        below = min(j + CELL, height - 1)
        for i in range(0, width - 1, CELL):
            right = min(i + CELL, width - 1)
            reach = np.float32(0)
            for y in (j, below):
                for x in (i, right):
                    reach = max(reach, abs(flow[y, x, 0]), abs(flow[y, x, 1]))
            if reach < min_move:
                continue
            if _nonlinearity(flow, i, j, right, below) < np.float32(MAX_NONLINEARITY) and (
                _draw_cell(flow, source, i, j, right, below)
            ):
                continue
            bent[count, 0], bent[count, 1], count = j, i, count + 1
    for n in range(count):
        j, i = bent[n, 0], bent[n, 1]
        right, below = min(i + CELL, width - 1), min(j + CELL, height - 1)
        _draw_triangle(flow, source, needs_refinement, i, j, right, j, i, below)
        _draw_triangle(flow, source, needs_refinement, right, below, i, below, right, j)


@numba.njit(cache=True)
def _nonlinearity(flow: Floats, left: int, top: int, right: int, bottom: int) -> np.float32:
    """How far the flow is from linear at the middles of a cell and of its sides."""
    half, deviation = np.float32(0.5), np.float32(0)
    column, row = (left + right) // 2, (top + bottom) // 2
    for k in range(2):
        a, b = flow[top, left, k], flow[top, right, k]
        c, d = flow[bottom, left, k], flow[bottom, right, k]
        middle = flow[row, column, k]
        deviation = max(
            deviation,
            abs(middle - half * (b + c)),
            abs(middle - half * (a + d)),
            abs(flow[top, column, k] - half * (a + b)),
            abs(flow[bottom, column, k] - half * (c + d)),
            abs(flow[row, left, k] - half * (a + c)),
            abs(flow[row, right, k] - half * (b + d)),
        )
    return deviation


@numba.njit(cache=True)
def _draw_cell(flow: Floats, source: Floats, left: int, top: int, right: int, bottom: int) -> bool:
    """A cell whose flow is linear, where it lands; False where it leans too much for a box."""
    height, width, _ = flow.shape
    px, py = np.float32(left) + flow[top, left, 0], np.float32(top) + flow[top, left, 1]
    ux, uy = np.float32(right) + flow[top, right, 0] - px, flow[top, right, 1] - flow[top, left, 1]
    vx = flow[bottom, left, 0] - flow[top, left, 0]
    vy = np.float32(bottom) + flow[bottom, left, 1] - py
    area, lean = ux * vy - vx * uy, max(abs(uy), abs(vx))
    if not (
        area > np.float32(MIN_DETERMINANT) and lean < np.float32(MAX_SHEAR) and min(ux, vy) > 0
    ):
        return False
    zero, reach, inverse = np.float32(0), np.float32(CELL_OVERLAP), np.float32(1) / area
    x0 = max(int(np.ceil(px + min(zero, vx) - reach)), 0)
    x1 = min(int(np.floor(px + ux + max(zero, vx) + reach)), width - 1)
    y0 = max(int(np.ceil(py + min(zero, uy) - reach)), 0)
    y1 = min(int(np.floor(py + vy + max(zero, uy) + reach)), height - 1)
    across, down = inverse * np.float32(right - left), inverse * np.float32(bottom - top)
    first, last = np.float32(left) - reach, np.float32(right) + reach
    upper, lower = np.float32(top) - reach, np.float32(bottom) + reach
    for y in range(y0, y1 + 1):
        dy = np.float32(y) - py
        for x in range(x0, x1 + 1):
            dx = np.float32(x) - px
            column = np.float32(left) + across * (dx * vy - vx * dy)
            row = np.float32(top) + down * (ux * dy - dx * uy)
            # the box is larger than a cell that leans, and a crushed cell's overlap leads far
            if min(column - first, last - column, row - upper, lower - row) >= 0:
                source[y, x, 0] = min(max(column, zero), np.float32(width - 1))
                source[y, x, 1] = min(max(row, zero), np.float32(height - 1))
    return True


@numba.njit(cache=True)
def _draw_triangle(
    flow: Floats,
    source: Floats,
    needs_refinement: Bools,
    ax: int,
    ay: int,
    bx: int,
    by: int,
    cx: int,
    cy: int,
) -> None:
    """One triangle of a cell, where it lands."""
    height, width, _ = flow.shape
    one, overlap = np.float32(1), np.float32(TRIANGLE_OVERLAP)
    px, py = np.float32(ax) + flow[ay, ax, 0], np.float32(ay) + flow[ay, ax, 1]
    qx, qy = np.float32(bx) + flow[by, bx, 0], np.float32(by) + flow[by, bx, 1]
    rx, ry = np.float32(cx) + flow[cy, cx, 0], np.float32(cy) + flow[cy, cx, 1]
    area = (qx - px) * (ry - py) - (rx - px) * (qy - py)
    if area <= np.float32(MIN_AREA):  # folded
        return
    inverse = one / area
    across, down = np.float32(bx - ax + cx - ax), np.float32(by - ay + cy - ay)
    left, right = max(int(np.ceil(min(px, qx, rx))), 0), min(int(max(px, qx, rx)), width - 1)
    top, bottom = max(int(np.ceil(min(py, qy, ry))), 0), min(int(max(py, qy, ry)), height - 1)
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            dx, dy = np.float32(x) - px, np.float32(y) - py
            b = (dx * (ry - py) - (rx - px) * dy) * inverse
            c = ((qx - px) * dy - dx * (qy - py)) * inverse
            if b >= -overlap and c >= -overlap and b + c <= one + overlap:
                source[y, x, 0] = np.float32(ax) + b * across
                source[y, x, 1] = np.float32(ay) + c * down
                needs_refinement[y, x] = True


@numba.njit(cache=True)
def _newton_refine(flow: Floats, needs_refinement: Bools, source: Floats) -> None:
    """s + u(s) = p at some nodes of the lattice, in place."""
    rows, columns, _ = flow.shape
    zero, max_jump = np.float32(0), np.float32(MAX_JUMP)
    right, bottom = np.float32(columns - EDGE), np.float32(rows - EDGE)
    for j in range(rows):
        for i in range(columns):
            if not needs_refinement[j, i]:
                continue
            first_x, first_y = source[j, i, 0], source[j, i, 1]
            x, y, converged = first_x, first_y, False
            for _ in range(MAX_NEWTON_STEPS):
                x, y = min(max(x, zero), right), min(max(y, zero), bottom)
                c, r = int(x), int(y)
                x, y, converged = _newton_step(
                    flow[r, c, 0], flow[r, c + 1, 0], flow[r + 1, c, 0], flow[r + 1, c + 1, 0],
                    flow[r, c, 1], flow[r, c + 1, 1], flow[r + 1, c, 1], flow[r + 1, c + 1, 1],
                    x, y, np.float32(i), np.float32(j),
                )  # fmt: skip
                if converged:
                    break
            # where the flow breaks off, what the steps lead to is no better than the guess
            if converged and max(abs(x - first_x), abs(y - first_y)) <= max_jump:
                source[j, i, 0] = min(max(x, zero), right)
                source[j, i, 1] = min(max(y, zero), bottom)


@numba.njit(cache=True)
def _newton_step(
    upper_left_x: np.float32,
    upper_right_x: np.float32,
    lower_left_x: np.float32,
    lower_right_x: np.float32,
    upper_left_y: np.float32,
    upper_right_y: np.float32,
    lower_left_y: np.float32,
    lower_right_y: np.float32,
    x: np.float32,
    y: np.float32,
    i: np.float32,
    j: np.float32,
) -> tuple[np.floating, np.floating, bool]:
    """A step from (x, y) towards s + u(s) = (i, j), and whether that converged.

    Both the step and what remained before it are small then, so that the source is no farther away
    than the flow moves something. Either alone does not tell: where the flow tears a cell apart a
    short step leaves much, and where it crushes one a step that little remained for is long.

    The cell's flows are given as numbers: numba counts references to arrays and to views of them
    wherever it passes any, which takes longer than the step itself.
    """
    unit = np.float32(1)  # whole numbers would make doubles of these
    a, b = x - np.float32(int(x)), y - np.float32(int(y))
    top, bottom = upper_right_x - upper_left_x, lower_right_x - lower_left_x
    upper, lower = upper_left_x + a * top, lower_left_x + a * bottom
    yx = lower - upper
    across = i - x - upper - b * yx
    xx = unit + top + b * (bottom - top)
    top, bottom = upper_right_y - upper_left_y, lower_right_y - lower_left_y
    upper, lower = upper_left_y + a * top, lower_left_y + a * bottom
    down = j - y - upper - b * (lower - upper)
    xy, yy = top + b * (bottom - top), unit + lower - upper
    determinant = xx * yy - xy * yx
    if determinant < np.float32(MIN_DETERMINANT):
        return x, y, False
    inverse, last = unit / determinant, np.float32(LAST_STEP)
    dx, dy = inverse * (yy * across - yx * down), inverse * (xx * down - xy * across)
    converged = bool(max(abs(across), abs(down), abs(dx), abs(dy)) < last)
    return x + dx, y + dy, converged


@numba.njit(cache=True)
def _fill(
    flow: Floats,
    index: Ints,
    corners: Ints,
    weights: Floats,
    change: Floats,
    row: int,
    column: int,
    fine: Floats,
) -> None:
    """The flow of one pixel: of the face where it shows it, else between the lattice's nodes."""
    n = index[row, column]
    if n >= 0 and (row % STEP or column % STEP):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        u, v, w = weights[n, 0], weights[n, 1], weights[n, 2]
        fine[row, column, 0] = u * change[a, 0] + v * change[b, 0] + w * change[c, 0]
        fine[row, column, 1] = u * change[a, 1] + v * change[b, 1] + w * change[c, 1]
        return
    top, left, quarter = row // STEP, column // STEP, np.float32(0.25)
    bottom = min(top + row % STEP, flow.shape[0] - 1)
    right = min(left + column % STEP, flow.shape[1] - 1)
    for k in range(2):
        fine[row, column, k] = quarter * (
            flow[top, left, k]
            + flow[top, right, k]
            + flow[bottom, left, k]
            + flow[bottom, right, k]
        )
