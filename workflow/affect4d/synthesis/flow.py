"""Backward maps of many edits of one photograph, from the photograph's own flow.

Where a pixel of the photograph goes is linear in the deformation and needs no raster of the moved
face: the raster of the face as it is serves every edit. Beyond what the photograph shows of the
face the flow continues harmonically (background, hair, neck), for many edits at once, as their
unknown pixels are the same; the silhouette takes its surroundings along and leaves no ghost. The
map is the flow's inverse: at half the size, cells of the photograph's grid, drawn where the flow
takes them, give a first guess for each pixel, and Newton's steps on s + u(s) = p make it exact.
"""

import cv2
import numba
import numpy as np

from affect4d.synthesis.eyelids import lid_shifts
from affect4d.synthesis.front import front_of
from affect4d.synthesis.harmonic import Extension

BATCH = 8  # edits whose flows share a cache line
CELL = 2  # pixels at half the size
ROUNDS = 4
FLATTEST = 0.05  # of a cell's area, where the flow all but folds: the guess stays
BEND = 1 / 16  # pixels of half the size: a second difference that bilinear steps miss by a quarter
NEAR_ENOUGH_PX = 1 / 64  # cv2.remap's steps are 1/32 pixel
REACH = 0.4  # of the inter-ocular distance: farther from the face nothing moves


class Flow:
    """The flow of one Scene's pixels under deformations.

    Parameters
    ----------
    scene : Scene

    Attributes
    ----------
    front : Front
    known : (H, W) bool, pixels that show the face; the flow elsewhere is a continuation
    far : (H, W) bool, pixels that nothing moves
    pixels : (P,) int32, the known pixels, counted row by row
    index : (H, W) int32, which of them each pixel is, -1 for none
    corners : (P, 3) int32, into the front's vertices, and weights (P, 3) float32, of each
    """

    def __init__(self, scene):
        self.scene, self.front = scene, front_of(scene)
        ids, weights = scene.raster
        self.known = (ids >= 0) & (scene.visible & ~scene.anatomy.eyes)[ids]
        triangle = np.searchsorted(self.front.faces, ids[self.known])
        self.corners = self.front.triangles[triangle]
        self.weights = np.ascontiguousarray(weights[self.known])
        self.pixels = np.flatnonzero(self.known).astype(np.int32)
        self.index = np.full(self.known.shape, -1, np.int32)
        self.index[self.known] = np.arange(len(self.pixels))
        away = cv2.distanceTransform((ids < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        self.far = away > REACH * scene.inter_ocular
        border = np.ones(self.known.shape, dtype=bool)
        border[1:-1, 1:-1] = False
        self._extension = Extension(self.known | self.far | border)

    def change(self, deformations):
        """How far the front's vertices move: (U, B, 3) float32, pixels (x, y, depth).

        Parameters
        ----------
        deformations : (V, B, 3) float32, mm, settled, of B edits side by side
        """
        edits = deformations.shape[1]
        shifts = np.stack([lid_shifts(self.scene, deformations[:, edit]) for edit in range(edits)])
        change = np.empty((len(self.front.vertices), edits, 3), np.float32)
        motion = np.ascontiguousarray(self.scene.motion)
        _project(deformations, self.front.vertices, motion, self.front.lids, shifts, change)
        return change

    def flows(self, change):
        """Where pixels go.

        Parameters
        ----------
        change : (U, B, 3) float32, as `change` returns it

        Returns
        -------
        (B, H, W, 2) float32, pixels, x and y
        """
        height, width = self.known.shape
        beside = np.zeros((self.known.size, 2 * change.shape[1]), np.float32)
        _carry_places(self.pixels, self.corners, self.weights, change, beside)
        return _apart(self._extension(beside.reshape(height, width, -1)))

    def carry(self, values):
        """Values at the front's vertices (U, C) float32 at the known pixels: (H W, C), 0 beyond."""
        carried = np.zeros((self.known.size, values.shape[1]), np.float32)
        _carry(self.pixels, self.corners, self.weights, values, carried)
        return carried

    def map(self, flow):
        """The backward map (H, W, 2) float32, pixels of the photograph, of a flow (H, W, 2)."""
        return _inverse(flow, self.far)


@numba.njit(cache=True, fastmath=True)
def _project(deformations, vertices, motion, lids, shifts, change):
    """Change in the picture of some vertices, all edits side by side."""
    for n in range(len(vertices)):
        own, row = deformations[vertices[n]], change[n]
        left, right = lids[0, n], lids[1, n]
        for edit in range(len(own)):
            x, y, z = own[edit, 0], own[edit, 1], own[edit, 2]
            for k in range(3):
                row[edit, k] = motion[k, 0] * x + motion[k, 1] * y + motion[k, 2] * z
            for k in range(2):
                row[edit, k] += left * shifts[edit, 0, k] + right * shifts[edit, 1, k]


@numba.njit(cache=True, fastmath=True)
def _carry_places(pixels, corners, weights, change, carried):
    """As `_carry`, of x and y of every edit."""
    for n in range(len(pixels)):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        wa, wb, wc = weights[n, 0], weights[n, 1], weights[n, 2]
        row = carried[pixels[n]]
        for e in range(change.shape[1]):
            for k in range(2):
                row[2 * e + k] = wa * change[a, e, k] + wb * change[b, e, k] + wc * change[c, e, k]


@numba.njit(cache=True)
def _apart(flows):
    """Flows (H, W, 2 B), one edit after the other: (B, H, W, 2)."""
    height, width, channels = flows.shape
    apart = np.empty((channels // 2, height, width, 2), np.float32)
    for j in range(height):
        for e in range(channels // 2):
            for i in range(width):
                apart[e, j, i, 0] = flows[j, i, 2 * e]
                apart[e, j, i, 1] = flows[j, i, 2 * e + 1]
    return apart


@numba.njit(cache=True, fastmath=True)
def _carry(pixels, corners, weights, values, carried):
    """Mean of the values of each pixel's corners."""
    for n in range(len(pixels)):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        wa, wb, wc = weights[n, 0], weights[n, 1], weights[n, 2]
        row = carried[pixels[n]]
        for k in range(len(row)):
            row[k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


@numba.njit(cache=True, fastmath=True)
def _inverse(flow, far):
    """Where pixels come from; those that are `far` are their own source.

    Solved at half the size, and again in full where the map bends too much in between.
    """
    height, width, _ = flow.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    half = np.empty((rows, columns, 2), np.float32)
    coarse = np.empty((rows, columns, 2), np.float32)
    for j in range(rows):
        for i in range(columns):
            half[j, i, 0] = np.float32(0.5) * flow[2 * j, 2 * i, 0]
            half[j, i, 1] = np.float32(0.5) * flow[2 * j, 2 * i, 1]
            coarse[j, i, 0], coarse[j, i, 1] = i, j
    _guess(half, coarse)
    for j in range(rows):
        for i in range(columns):
            if coarse[j, i, 0] != i or coarse[j, i, 1] != j:
                _settle(half, coarse, j, i)
    source = np.empty((height, width, 2), np.float32)
    _double(coarse, source)
    bent = _bent(coarse)
    for j in range(height):
        for i in range(width):
            if far[j, i]:
                source[j, i, 0], source[j, i, 1] = i, j
            elif bent[j // 2, i // 2]:
                _settle(flow, source, j, i)
    return source


@numba.njit(cache=True, fastmath=True)
def _double(coarse, source):
    """A map of half the size, bilinear, at the full one."""
    rows, columns, _ = coarse.shape
    height, width, _ = source.shape
    for j in range(height):
        r, below = j // 2, min(j // 2 + j % 2, rows - 1)
        for i in range(width):
            c, right = i // 2, min(i // 2 + i % 2, columns - 1)
            for k in range(2):
                source[j, i, k] = np.float32(0.5) * (
                    coarse[r, c, k]
                    + coarse[r, right, k]
                    + coarse[below, c, k]
                    + coarse[below, right, k]
                )
    if height == 2 * rows:  # beyond the last row and column of the smaller map
        source[height - 1, :, 1] = height - 1
    if width == 2 * columns:
        source[:, width - 1, 0] = width - 1


@numba.njit(cache=True, fastmath=True)
def _bent(coarse):
    """(H / 2, W / 2) bool: cells in which the map differs from its bilinear interpolant."""
    rows, columns, _ = coarse.shape
    bends = np.zeros((rows, columns), np.bool_)
    for j in range(1, rows - 1):
        for i in range(1, columns - 1):
            most = np.float32(0)
            for k in range(2):
                here = 2 * coarse[j, i, k]
                most = max(most, abs(coarse[j, i - 1, k] + coarse[j, i + 1, k] - here))
                most = max(most, abs(coarse[j - 1, i, k] + coarse[j + 1, i, k] - here))
            if most > BEND:
                for r in range(max(j - 2, 0), j + 2):
                    for c in range(max(i - 2, 0), i + 2):
                        bends[r, c] = True
    return bends


@numba.njit(cache=True, fastmath=True)
def _guess(flow, source):
    """Where pixels come from, by cells that move as their corners do; those at rest stay out."""
    height, width, _ = flow.shape
    still = np.float32(NEAR_ENOUGH_PX)
    for j in range(0, height - 1, CELL):
        below = min(j + CELL, height - 1)
        for i in range(0, width - 1, CELL):
            right = min(i + CELL, width - 1)
            reach = np.float32(0)
            for y in (j, below):
                for x in (i, right):
                    reach = max(reach, abs(flow[y, x, 0]), abs(flow[y, x, 1]))
            if reach < still:
                continue
            _draw(flow, source, i, j, right, j, i, below)
            _draw(flow, source, right, below, i, below, right, j)


@numba.njit(cache=True, fastmath=True)
def _draw(flow, source, ax, ay, bx, by, cx, cy):
    """One triangle of a cell, where it lands."""
    height, width, _ = flow.shape
    px, py = ax + flow[ay, ax, 0], ay + flow[ay, ax, 1]
    qx, qy = bx + flow[by, bx, 0], by + flow[by, bx, 1]
    rx, ry = cx + flow[cy, cx, 0], cy + flow[cy, cx, 1]
    area = (qx - px) * (ry - py) - (rx - px) * (qy - py)
    if area <= 1e-6:  # folded
        return
    inverse = 1 / area
    left, right = max(int(np.ceil(min(px, qx, rx))), 0), min(int(max(px, qx, rx)), width - 1)
    top, bottom = max(int(np.ceil(min(py, qy, ry))), 0), min(int(max(py, qy, ry)), height - 1)
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            b = ((x - px) * (ry - py) - (rx - px) * (y - py)) * inverse
            c = ((qx - px) * (y - py) - (x - px) * (qy - py)) * inverse
            if b >= -1e-5 and c >= -1e-5 and b + c <= 1 + 1e-5:
                source[y, x, 0] = ax + b * (bx - ax) + c * (cx - ax)
                source[y, x, 1] = ay + b * (by - ay) + c * (cy - ay)


@numba.njit(cache=True, fastmath=True, inline="always")
def _settle(flow, source, j, i):
    """s + u(s) = p at one pixel, u between pixels bilinear, by Newton's steps."""
    height, width, _ = flow.shape
    right, bottom = np.float32(width - 1.001), np.float32(height - 1.001)
    zero, one, still = np.float32(0), np.float32(1), np.float32(NEAR_ENOUGH_PX)
    x, y = source[j, i, 0], source[j, i, 1]
    for _ in range(ROUNDS):
        x, y = min(max(x, zero), right), min(max(y, zero), bottom)
        c, r = int(x), int(y)
        a, b = x - np.float32(c), y - np.float32(r)
        u0, u1 = flow[r, c, 0], flow[r, c + 1, 0] - flow[r, c, 0]
        u2, u3 = flow[r + 1, c, 0], flow[r + 1, c + 1, 0] - flow[r + 1, c, 0]
        v0, v1 = flow[r, c, 1], flow[r, c + 1, 1] - flow[r, c, 1]
        v2, v3 = flow[r + 1, c, 1], flow[r + 1, c + 1, 1] - flow[r + 1, c, 1]
        upper, lower = u0 + a * u1, u2 + a * u3
        across = np.float32(i) - x - upper - b * (lower - upper)
        xx, yx = one + u1 + b * (u3 - u1), lower - upper
        upper, lower = v0 + a * v1, v2 + a * v3
        down = np.float32(j) - y - upper - b * (lower - upper)
        xy, yy = v1 + b * (v3 - v1), one + lower - upper
        determinant = xx * yy - xy * yx
        if determinant < FLATTEST:
            break
        x += (yy * across - yx * down) / determinant
        y += (xx * down - xy * across) / determinant
        if abs(across) < still and abs(down) < still:
            break
    source[j, i, 0], source[j, i, 1] = min(max(x, zero), right), min(max(y, zero), bottom)
