"""A fit drawn over its photograph: the landmarks that it was fitted to, and its mesh."""

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.shading import render
from affect4d.plotting.landmarks import draw_landmarks
from affect4d.synthesis.crop import square_around
from affect4d.synthesis.editing.scene import Scene, make_scene
from affect4d.synthesis.photographs import FittedPhotograph
from affect4d.synthesis.sheet import Tile
from affect4d.template.anatomy import Anatomy

_MARGIN = 0.35  # around the landmarks, of their extent: the whole mesh shows
_OPACITY = 0.6  # of the mesh: eyes and mouth can be compared through it
_RADIUS_PX = 2  # of a landmark, on a tile that is shown smaller


def overlay_tiles(
    photograph: FittedPhotograph, photo: NDArray[np.uint8], anatomy: Anatomy, *, size: int
) -> tuple[Tile, Tile]:
    """Two tiles of `size` pixels: the face with its landmarks, and under the shaded mesh.

    Their captions are the photograph's name and the mean landmark error, in shares of the
    inter-ocular distance, before and after the correction of the fit.

    Parameters
    ----------
    photograph : with its fit
    photo : (H, W, 3)
    anatomy : of the template
    size : px
    """
    fit = photograph.fit
    crop = square_around(fit.landmarks, _MARGIN, size)
    scene = make_scene(fit, crop.cut(photo), anatomy, crop=crop)
    errors = (f"{fit.quality[name]:.1%}" for name in ("error_model", "error_corrected"))
    marked = draw_landmarks(scene.image, crop.apply(fit.landmarks), _RADIUS_PX)
    return Tile(marked, photograph.image_id), Tile(_under_mesh(scene), " -> ".join(errors))


def _under_mesh(scene: Scene) -> NDArray[np.uint8]:
    """The picture, blended with the mesh where it shows skin."""
    points = np.column_stack([scene.xy * [1, -1], scene.depth])
    height, width = scene.shape
    mesh = render(
        points,
        scene.anatomy.triangles[scene.drawn],
        shape=scene.shape,
        frame=(((width - 1) / 2, (1 - height) / 2, 0.0), height / 2),
        supersample=1,  # finer, the edge would be mixed with the white around the mesh
    )
    opacity = np.where(scene.raster.triangle_id >= 0, _OPACITY, 0)[..., None]
    return np.rint(opacity * mesh + (1 - opacity) * scene.image).astype(np.uint8)
