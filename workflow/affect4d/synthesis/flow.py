"""Backward maps of many edits of one photograph, from the photograph's own flow.

Where a pixel of the photograph goes is linear in the deformation and needs no raster of the moved
face: the raster of the face as it is serves every edit. Beyond what the photograph shows of the
face the flow continues harmonically, for many edits at once, as their unknown pixels are the same.
The map is the flow's inverse: cells of the photograph's grid, drawn where the flow takes them, give
a first guess for each pixel, and s <- p - u(s) makes it exact.
"""

import cv2
import numba
import numpy as np

from affect4d.synthesis.eyelids import lid_shifts
from affect4d.synthesis.harmonic import Extension

BATCH = 8  # edits whose flows share a cache line
CELL = 4  # pixels
ROUNDS = 3
STILL_PX = 1 / 64  # cv2.remap's steps are 1/32 pixel
REACH = 0.4  # of the inter-ocular distance: farther from the face nothing moves


class Flow:
    """The flow of one Scene's pixels under deformations.

    Parameters
    ----------
    scene : Scene

    Attributes
    ----------
    known : (H, W) bool, pixels that show the face; the flow elsewhere is a continuation
    vertices : (U,) int64, the vertices that the known pixels depend on
    """

    def __init__(self, scene):
        self.scene = scene
        ids, weights = scene.raster
        shown = scene.visible & ~scene.anatomy.eyes
        self.known = (ids >= 0) & shown[ids]
        corners = scene.anatomy.triangles[ids[self.known]]
        self.vertices, inverse = np.unique(corners, return_inverse=True)
        self._lids = scene.anatomy.lids[:, self.vertices, 0]
        self._corners = inverse.reshape(corners.shape).astype(np.int32)
        self._weights = np.ascontiguousarray(weights[self.known])
        self._pixels = np.flatnonzero(self.known).astype(np.int32)
        away = cv2.distanceTransform((ids < 0).astype(np.uint8), cv2.DIST_L2, 5)
        still = away > REACH * scene.inter_ocular
        still[[0, -1]], still[:, [0, -1]] = True, True
        still &= ~self.known
        self._near = np.argwhere(~still).astype(np.int32)
        self._extension = Extension(self.known | still)
        rows, columns = np.indices(self.known.shape, dtype=np.float32)
        self._identity = np.stack([columns, rows], axis=-1)

    def change(self, deformations):
        """How far each of `vertices` moves in the picture: (U, B, 2) float32, pixels.

        Parameters
        ----------
        deformations : (V, B, 3) float32, mm, settled, of B edits side by side
        """
        edits = deformations.shape[1]
        shifts = [lid_shifts(self.scene, deformations[:, edit]) for edit in range(edits)]
        change = np.empty((len(self.vertices), edits, 2), np.float32)
        motion = np.ascontiguousarray(self.scene.motion[:2])
        _project(deformations, self.vertices, motion, self._lids, np.stack(shifts), change)
        return change

    def flows(self, change):
        """Where pixels go.

        Parameters
        ----------
        change : (U, B, 2) float32, as `change` returns it

        Returns
        -------
        (H, W, 2 B) float32, pixels: x and y of one edit after the other
        """
        height, width = self.known.shape
        beside = change.reshape(len(change), -1)
        values = np.zeros((height * width, beside.shape[1]), np.float32)
        _carry(self._pixels, self._corners, self._weights, beside, values)
        return self._extension(values.reshape(height, width, -1))

    def maps(self, flows):
        """Backward maps (B, H, W, 2) float32, pixels of the photograph, of `flows`."""
        sources = np.repeat(self._identity[None], flows.shape[2] // 2, axis=0)
        for edit, source in enumerate(sources):
            _guess(flows, 2 * edit, source)
            _refine(flows, 2 * edit, source, self._near)
        return sources


@numba.njit(cache=True, fastmath=True)
def _project(deformations, vertices, motion, lids, shifts, change):
    """Change in the picture of some vertices, all edits side by side."""
    for n in range(len(vertices)):
        own, row = deformations[vertices[n]], change[n]
        left, right = lids[0, n], lids[1, n]
        for edit in range(len(own)):
            x, y, z = own[edit, 0], own[edit, 1], own[edit, 2]
            for k in range(2):
                row[edit, k] = (
                    motion[k, 0] * x
                    + motion[k, 1] * y
                    + motion[k, 2] * z
                    + left * shifts[edit, 0, k]
                    + right * shifts[edit, 1, k]
                )


@numba.njit(cache=True, fastmath=True)
def _carry(pixels, corners, weights, change, values):
    """Mean change of each pixel's corners, all edits side by side."""
    for n in range(len(pixels)):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        wa, wb, wc = weights[n, 0], weights[n, 1], weights[n, 2]
        row = values[pixels[n]]
        for k in range(len(row)):
            row[k] = wa * change[a, k] + wb * change[b, k] + wc * change[c, k]


@numba.njit(cache=True, fastmath=True)
def _guess(flows, k, source):
    """Where pixels come from, by cells that move as their corners do; those at rest are left out."""
    height, width, _ = flows.shape
    for j in range(0, height - 1, CELL):
        below = min(j + CELL, height - 1)
        for i in range(0, width - 1, CELL):
            right = min(i + CELL, width - 1)
            reach = np.float32(0)
            for y in (j, below):
                for x in (i, right):
                    reach = max(reach, abs(flows[y, x, k]), abs(flows[y, x, k + 1]))
            if reach < STILL_PX:
                continue
            _draw(flows, k, source, i, j, right, j, i, below)
            _draw(flows, k, source, right, below, i, below, right, j)


@numba.njit(cache=True, fastmath=True)
def _draw(flows, k, source, ax, ay, bx, by, cx, cy):
    """One triangle of a cell, where it lands."""
    height, width, _ = flows.shape
    px, py = ax + flows[ay, ax, k], ay + flows[ay, ax, k + 1]
    qx, qy = bx + flows[by, bx, k], by + flows[by, bx, k + 1]
    rx, ry = cx + flows[cy, cx, k], cy + flows[cy, cx, k + 1]
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


@numba.njit(cache=True, fastmath=True)
def _refine(flows, k, source, pixels):
    """s <- p - u(s), u between pixels bilinear, until it stays."""
    height, width, _ = flows.shape
    right, bottom = np.float32(width - 1.001), np.float32(height - 1.001)
    zero, still = np.float32(0), np.float32(STILL_PX)
    for n in range(len(pixels)):
        j, i = pixels[n, 0], pixels[n, 1]
        x, y = source[j, i, 0], source[j, i, 1]
        for _ in range(ROUNDS):
            x, y = min(max(x, zero), right), min(max(y, zero), bottom)
            c, r = int(x), int(y)
            a, b = x - np.float32(c), y - np.float32(r)
            q, w = (1 - a) * (1 - b), a * (1 - b)
            e, f = (1 - a) * b, a * b
            one, two, three, four = (
                flows[r, c],
                flows[r, c + 1],
                flows[r + 1, c],
                flows[r + 1, c + 1],
            )
            u = q * one[k] + w * two[k] + e * three[k] + f * four[k]
            v = q * one[k + 1] + w * two[k + 1] + e * three[k + 1] + f * four[k + 1]
            across, down = np.float32(i) - u - x, np.float32(j) - v - y
            x, y = x + across, y + down
            if abs(across) < still and abs(down) < still:
                break
        source[j, i, 0], source[j, i, 1] = x, y
