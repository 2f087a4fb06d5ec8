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
from affect4d.synthesis.editing.sampling import Sampler, remap
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
                blurred = self._blurred[number]
                self._soften(picture, motion.source, crowding / limit, blurred=blurred)
        return picture

    def _soften(
        self,
        picture: NDArray[np.uint8],
        source: Floats,
        crowding: Floats,
        *,
        blurred: NDArray[np.uint8],
    ) -> None:
        """Replace what is crowded (h, w) > 1 by what the map samples of a blurred photograph."""
        nodes = bounding_box(crowding > 1)
        box = tuple(slice(STEP * side.start, STEP * side.stop) for side in nodes)
        share = cv2.resize(np.clip(crowding[nodes] - 1, 0, 1), picture[box].shape[1::-1])
        share[self._far[box]] = 0
        copy = remap(blurred, source[box]).astype(np.float32)
        picture[box] = np.rint(picture[box] + share[..., None] * (copy - picture[box]))

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
