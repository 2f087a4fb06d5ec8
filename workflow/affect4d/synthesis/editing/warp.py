"""Third stage: the photograph sampled through the backward map.

Where the map crowds several pixels into one, blurred copies of the photograph are sampled.
"""

from functools import cached_property

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lattice import STEP, Lattice, bounding_box
from affect4d.synthesis.editing.sampling import Sampler
from affect4d.synthesis.editing.scene import Scene

Floats = NDArray[np.float32]

# Pixels that the map crowds into one, and the blur (standard deviation, pixels) of the copy that is
# sampled there: about 0.4 of that number, which stands for their mean.
CROWDING = ((2.0, 0.8), (4.0, 1.8))


class Warp:
    """The stage, for one photograph."""

    def __init__(self, scene: Scene, lattice: Lattice) -> None:
        self._image, self._far = scene.image, lattice.far
        self._sampler = Sampler(scene.image, lattice.far)

    def __call__(self, motion: Motion) -> NDArray[np.uint8]:
        """The picture (H, W, 3), untouched where the map is fixed."""
        picture = self._sampler.sample(motion.source)
        crowding = _crowding(motion.source)
        worst = crowding.max()
        for number, (limit, _) in enumerate(CROWDING):
            if worst > limit:
                share = np.clip(crowding / np.float32(limit) - 1, 0, 1)
                rows, columns = bounding_box(share > 0)
                box = np.array([rows.start, rows.stop, columns.start, columns.stop])
                _soften(picture, self._blurred[number], motion.source, share, self._far, box)
        return picture

    @cached_property
    def _blurred(self) -> list[NDArray[np.uint8]]:
        """The copies (H, W, 3) that CROWDING lists."""
        return [
            np.asarray(cv2.GaussianBlur(self._image, (0, 0), blur), np.uint8)
            for _, blur in CROWDING
        ]


@numba.njit(cache=True)
def _crowding(source: Floats) -> Floats:
    """(h, w) float32: pixels that fall on a pixel along the worse direction, on the lattice."""
    height, width = source.shape[0] // STEP, source.shape[1] // STEP
    worst = np.zeros((height, width), np.float32)
    flat = source.reshape(len(source), -1)
    spread, share = np.empty(flat.shape[1], np.float32), np.float32(1 / STEP)
    beside = 2 * STEP
    for j in range(height - 1):
        here, below = flat[STEP * j], flat[STEP * j + STEP]
        for n in range(flat.shape[1] - beside):  # of every pixel, as vectors
            spread[n] = max(abs(here[n + beside] - here[n]), abs(below[n] - here[n]))
        for i in range(width - 1):
            worst[j, i] = share * max(spread[beside * i], spread[beside * i + 1])
    return worst


@numba.njit(cache=True)
def _soften(
    picture: NDArray[np.uint8],
    blurred: NDArray[np.uint8],
    source: Floats,
    share: Floats,
    far: NDArray[np.bool_],
    box: NDArray[np.int64],
) -> None:
    """Mix a share (h, w), given on the lattice, of a blurred photograph into the picture, in place.

    box : first and last rows and columns of the lattice where there is a share
    """
    height, width = share.shape
    half, one, step = np.float32(0.5), np.float32(1), np.float32(STEP)
    bottom, right = np.float32(picture.shape[0] - 1), np.float32(picture.shape[1] - 1)
    # linear between nodes' cells, so that a node counts in the cells beside its own
    for v in range(STEP * max(box[0] - 1, 0), STEP * min(box[1] + 1, height)):
        down = max((np.float32(v) + half) / step - half, np.float32(0))
        j = min(int(down), height - 2)
        down -= np.float32(j)
        for u in range(STEP * max(box[2] - 1, 0), STEP * min(box[3] + 1, width)):
            across = max((np.float32(u) + half) / step - half, np.float32(0))
            i = min(int(across), width - 2)
            across -= np.float32(i)
            upper = share[j, i] + across * (share[j, i + 1] - share[j, i])
            lower = share[j + 1, i] + across * (share[j + 1, i + 1] - share[j + 1, i])
            mixed = upper + down * (lower - upper)
            if mixed <= 0 or far[v, u]:
                continue
            x = min(max(source[v, u, 0], np.float32(0)), right)
            y = min(max(source[v, u, 1], np.float32(0)), bottom)
            column, row = min(int(x), int(right) - 1), min(int(y), int(bottom) - 1)
            sx, sy = x - np.float32(column), y - np.float32(row)
            for k in range(3):
                top = (one - sx) * blurred[row, column, k] + sx * blurred[row, column + 1, k]
                low = (one - sx) * blurred[row + 1, column, k] + sx * blurred[
                    row + 1, column + 1, k
                ]
                value = (one - mixed) * picture[v, u, k] + mixed * ((one - sy) * top + sy * low)
                picture[v, u, k] = np.uint8(np.rint(value))
