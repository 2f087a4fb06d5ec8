"""The dense backward map: where in the photograph each pixel of the result comes from.

On the face it follows the mesh; beyond (background, hair, neck, whatever the photograph hides) it
continues harmonically, so that the silhouette takes its surroundings along and leaves no ghost.
"""

from dataclasses import dataclass

import numba
import numpy as np

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.synthesis.eyelids import keep_lids_apart
from affect4d.synthesis.harmonic import extend
from affect4d.synthesis.scene import facing

STILL_PX = 1 / 64  # cv2.remap's steps are 1/32 pixel


@dataclass(frozen=True)
class Motion:
    """One edit's geometry.

    Attributes
    ----------
    vertices : (V, 3) float32, mm, the deformed face
    xy : (V, 2) float32, pixels, the moved vertices; depth : (V,) theirs
    ids, weights : raster of the moved face
    shown : (H, W) bool, pixels whose surface point the photograph shows
    source : (H, W, 2) float32, pixels (x, y) of the photograph
    flipped : float, share of the visible triangles' area in the photograph that turns away
    folded : float, share of the shown pixels where the map folds
    revealed : float, share of the face's pixels that the photograph does not show
    """

    vertices: np.ndarray
    xy: np.ndarray
    depth: np.ndarray
    ids: np.ndarray
    weights: np.ndarray
    shown: np.ndarray
    source: np.ndarray
    flipped: float
    folded: float
    revealed: float

    @property
    def still(self):
        """(H, W) bool: pixels that stay where they are."""
        rows, columns = np.indices(self.ids.shape, dtype=np.float32)
        across = np.abs(self.source[..., 0] - columns) < STILL_PX
        return across & (np.abs(self.source[..., 1] - rows) < STILL_PX)


def move(scene, deformation):
    """The Motion of a Scene under a deformation (V, 3) mm."""
    triangles = scene.anatomy.triangles
    xy, depth = scene.moved(deformation)
    xy = keep_lids_apart(scene, xy, deformation)
    front = facing(xy, triangles) > 0
    visible = scene.visible & ~scene.anatomy.eyes
    ids, weights = rasterise(
        xy, depth, triangles, scene.shape[0], scene.shape[1], scene.drawn & front
    )
    covered = ids >= 0
    shown = covered & visible[ids]
    displacement = interpolate(ids, weights, triangles, scene.xy - xy)
    border = np.ones(scene.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    displacement[border & ~shown] = 0
    displacement = extend(displacement, shown | border)
    rows, columns = np.indices(scene.shape, dtype=np.float32)
    return Motion(
        vertices=scene.vertices + deformation,
        xy=xy,
        depth=depth,
        ids=ids,
        weights=weights,
        shown=shown,
        source=displacement + np.stack([columns, rows], axis=-1),
        flipped=float(scene.areas[visible & ~front].sum() / max(scene.areas[visible].sum(), 1e-9)),
        folded=float(_folds(displacement, shown).sum() / max(shown.sum(), 1)),
        revealed=float((covered & ~shown).sum() / max(covered.sum(), 1)),
    )


@numba.njit(cache=True)
def _folds(displacement, inside):
    """(H, W) bool: pixels inside where the map's Jacobian is not positive."""
    height, width = inside.shape
    folds = np.zeros((height, width), dtype=np.bool_)
    for j in range(height - 1):
        for i in range(width - 1):
            if inside[j, i] and inside[j, i + 1] and inside[j + 1, i]:
                xx = 1 + displacement[j, i + 1, 0] - displacement[j, i, 0]
                xy = displacement[j, i + 1, 1] - displacement[j, i, 1]
                yx = displacement[j + 1, i, 0] - displacement[j, i, 0]
                yy = 1 + displacement[j + 1, i, 1] - displacement[j, i, 1]
                folds[j, i] = xx * yy - xy * yx <= 0
    return folds
