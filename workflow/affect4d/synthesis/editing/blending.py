"""Fifth stage: what the photograph hides is taken from the other half of the face.

It is blended in by Poisson's equation (Perez et al., SIGGRAPH 2003), as colours; what neither half
shows is left to the moved photograph.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.raster import barycentric, interpolate
from affect4d.synthesis.editing.harmonic import extend
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lattice import NOTHING, Lattice, bounding_box
from affect4d.synthesis.editing.sampling import remap
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh

SLIVER_SHARE = 0.06  # inter-ocular distances: thinner stretches take what surrounds them
SURROUNDINGS_PX = 8  # that a patch is fitted to


class Completion:
    """The stage, for one photograph."""

    def __init__(self, scene: Scene, mesh: VisibleSubmesh, lattice: Lattice) -> None:
        self._image, self._triangles, self._lattice = scene.image, mesh.triangles, lattice
        side = 2 * int(SLIVER_SHARE / 2 * scene.inter_ocular) + 1  # odd: opens about its middle
        self._sliver = np.ones((side, side), np.uint8)
        twins = scene.anatomy.mirror[mesh.vertices]
        self._twin_xy, twin_seen = scene.xy[twins], scene.seen[twins]
        a, b, c = mesh.triangles.T
        self._has_twin: NDArray[np.bool_] = twin_seen[a] & twin_seen[b] & twin_seen[c]

    def __call__(self, picture: NDArray[np.uint8], motion: Motion) -> NDArray[np.uint8]:
        """The picture (H, W, 3), completed in place."""
        usable = self._usable(motion)
        if usable is not None:
            ids = np.where(usable, motion.revealed_faces, NOTHING)
            xy, _ = motion.positions(np.arange(len(self._twin_xy)))
            weights = barycentric(ids, xy, self._triangles)
            source = interpolate(self._twin_xy, self._triangles, (ids, weights))
            _clone(picture, remap(self._image, source), usable)
        return picture

    def _usable(self, motion: Motion) -> NDArray[np.bool_] | None:
        """(H, W), where what is revealed has a twin; None where there is next to nothing."""
        faces, min_count = motion.revealed_faces, self._sliver.size
        if motion.revealed * len(self._lattice.corners) < min_count:
            return None
        pixels = np.flatnonzero(faces != NOTHING)
        pixels = pixels[self._has_twin[faces.flat[pixels]]]
        if len(pixels) < min_count:
            return None
        mask = np.zeros(faces.shape, np.uint8)
        mask.flat[pixels] = 1
        mask[self._lattice.far] = 0
        usable = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._sliver) > 0)
        return usable if usable.any() else None


def _clone(picture: NDArray[np.uint8], patch: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Put a patch (H, W, 3) into a picture in place, its gradients kept (Poisson's equation)."""
    box = bounding_box(mask, SURROUNDINGS_PX)
    target, colours, inside = picture[box], patch[box].astype(np.float32), mask[box]
    # beyond its edge the patch shows nothing: what it is to join there is its own edge
    fitted = colours + extend(target - extend(colours, inside), ~inside)
    target[inside] = np.clip(np.rint(fitted[inside]), 0, 255).astype(np.uint8)
