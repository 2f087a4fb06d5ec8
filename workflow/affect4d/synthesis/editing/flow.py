"""Backward maps of many edits of one photograph, from the photograph's own flow.

Where a pixel of the photograph goes is linear in the deformation and needs no raster of the moved
face: the raster of the face as it is serves every edit. It is followed on a lattice of every other
pixel. Beyond what the photograph shows of the face the flow continues harmonically (background,
hair, neck), for many edits at once, as their unknown pixels are the same; the silhouette takes its
surroundings along and leaves no ghost.
"""

import cv2
import numba
import numpy as np

from affect4d.synthesis.editing.eyelids import lid_shifts
from affect4d.synthesis.editing.harmonic import Extension
from affect4d.synthesis.editing.inverse_flow import STEP, double, invert, refine
from affect4d.synthesis.editing.visible_mesh import front_of

NEGLIGIBLE = 1e-3  # of a lid's motion
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
    index : (H, W) int32, counts the known pixels row by row; -1 elsewhere
    corners : (P, 3) int32, into the front's vertices, and weights (P, 3) float32, of known pixels
    lattice : (h, w) bool, `known` at every other pixel of every other row
    shown : (H, W) int32, the front's triangle at each pixel, seen as a whole or not; -1 where none
    """

    def __init__(self, scene):
        self.scene, self.front = scene, front_of(scene)
        ids, weights = scene.raster
        self.known = (ids >= 0) & (scene.visible & ~scene.anatomy.eyes)[ids]
        position = np.full(len(scene.visible), -1, np.int32)
        position[self.front.faces] = np.arange(len(self.front.faces), dtype=np.int32)
        self.corners = self.front.triangles[position[ids[self.known]]]
        self.weights = np.ascontiguousarray(weights[self.known])
        self.shown = np.where(ids >= 0, position[ids], np.int32(-1))
        self.index = np.full(self.known.shape, -1, np.int32)
        self.index[self.known] = np.arange(len(self.corners))
        away = cv2.distanceTransform((ids < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        self.far = away > REACH * scene.inter_ocular
        self._still = np.argwhere(self.far[::STEP, ::STEP]).astype(np.int32)
        near = cv2.dilate((~self.far).astype(np.uint8), np.ones((2 * STEP + 1, 2 * STEP + 1)))
        self._edge = np.argwhere(self.far & (near > 0)).astype(np.int32)
        self.lattice = np.ascontiguousarray(self.known[::STEP, ::STEP])
        own = self.index[::STEP, ::STEP][self.lattice]
        self._places = np.flatnonzero(self.lattice).astype(np.int32)
        self._corners = np.ascontiguousarray(self.corners[own])
        self._weights = np.ascontiguousarray(self.weights[own])
        border = np.ones(self.lattice.shape, dtype=bool)
        border[1:-1, 1:-1] = False
        self._extension = Extension(self.lattice | self.far[::STEP, ::STEP] | border)

    def change(self, deformations):
        """How far the front's vertices move: (U, 3, B) float32, pixels (x, y, depth).

        Parameters
        ----------
        deformations : (V, 3, B) float32, mm, settled, of B edits side by side
        """
        front = self.front
        change = np.empty((len(front.vertices), 3, deformations.shape[2]), np.float32)
        motion, lids = np.ascontiguousarray(self.scene.motion), lid_shifts(self.scene, deformations)
        _project(deformations, front.vertices, motion, front.nearness, front.lids, lids, change)
        return change

    def carry(self, change):
        """`change` (U, k, B) at the known places of the lattice: (h, w, k, B), 0 beyond."""
        _, count, edits = change.shape
        carried = np.zeros((self.lattice.size, count, edits), np.float32)
        _carry(self._places, self._corners, self._weights, change, carried)
        return carried.reshape(*self.lattice.shape, count, edits)

    def flows(self, change):
        """Where places of the lattice go.

        Parameters
        ----------
        change : (U, 3, B) float32, as `change` returns it

        Returns
        -------
        (h, w, 2 B) float32, pixels: x of all edits, then y; `apart` parts them
        """
        carried = self.carry(change[:, :2])
        return self._extension(carried.reshape(*self.lattice.shape, -1))

    def map(self, flow, change):
        """One edit's backward map.

        Parameters
        ----------
        flow : (h, w, 2) float32, one of `apart`
        change : (U, 3) float32, pixels, of that edit

        Returns
        -------
        (H, W, 2) float32, pixels of the photograph
        """
        coarse = invert(flow / np.float32(STEP), self._still)
        source = double(coarse, self._edge, *self.far.shape)
        refine(coarse, self.far, flow, self.index, self.corners, self.weights, change, source)
        return source


@numba.njit(cache=True, fastmath=True)
def _project(deformations, vertices, motion, nearness, lids, shifts, change):
    """Change in the picture of some vertices, all edits side by side."""
    for n in range(len(vertices)):
        own, row, near = deformations[vertices[n]], change[n], nearness[n]
        for k in range(3):
            x, y, z = near * motion[k, 0], near * motion[k, 1], near * motion[k, 2]
            for edit in range(row.shape[1]):
                row[k, edit] = x * own[0, edit] + y * own[1, edit] + z * own[2, edit]
        left, right = lids[0, n], lids[1, n]
        if max(left, right) > NEGLIGIBLE:
            for k in range(2):
                for edit in range(row.shape[1]):
                    row[k, edit] += left * shifts[0, k, edit] + right * shifts[1, k, edit]


@numba.njit(cache=True, fastmath=True)
def _carry(places, corners, weights, change, carried):
    """Mean change of each place's corners."""
    _, count, edits = change.shape
    for n in range(len(places)):
        a, b, c = corners[n, 0], corners[n, 1], corners[n, 2]
        wa, wb, wc = weights[n, 0], weights[n, 1], weights[n, 2]
        row = carried[places[n]]
        for k in range(count):
            for e in range(edits):
                row[k, e] = wa * change[a, k, e] + wb * change[b, k, e] + wc * change[c, k, e]


@numba.njit(cache=True)
def apart(flows):
    """Flows (h, w, 2 B), x of all edits, then y, one edit after the other: (B, h, w, 2)."""
    height, width, channels = flows.shape
    edits = channels // 2
    apart = np.empty((edits, height, width, 2), np.float32)
    for j in range(height):
        for e in range(edits):
            for i in range(width):
                apart[e, j, i, 0] = flows[j, i, e]
                apart[e, j, i, 1] = flows[j, i, edits + e]
    return apart
