"""A deformation imposed on a fitted face, in its photograph (paper, section 3.4)."""

from dataclasses import dataclass

import numpy as np

from affect4d.config.synthesis import Settings
from affect4d.synthesis.anatomy import default_anatomy
from affect4d.synthesis.blending import BLENDS
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.lighting import LUMINANCE
from affect4d.synthesis.motion import Motion, move
from affect4d.synthesis.mouth import draw_interior, needs_interior
from affect4d.synthesis.scene import make_scene

# Around the landmarks of a full photograph, of their extent: the map fades out within it.
WINDOW_MARGIN = 0.6


@dataclass(frozen=True)
class Edit:
    """One synthesized picture: image (H, W, 3) uint8, its Motion, whether a mouth was drawn."""

    image: np.ndarray
    motion: Motion
    interior: bool


def synthesize(fit, deformation, *, image=None, settings=None, anatomy=None):
    """The photograph with a deformation imposed on its face.

    Parameters
    ----------
    fit : affect4d.fitting.Fit
    deformation : (V, 3) array, mm, in the template's frame; zero returns the photograph
    image : (H, W, 3) uint8, the photograph; the fit's own when absent
    settings : affect4d.config.synthesis.Settings, optional
    anatomy : affect4d.synthesis.Anatomy, optional
        Of the template whose topology the fit has; menpo3d's when absent.

    Returns
    -------
    (H, W, 3) uint8, of the photograph's size; unchanged away from the face

    Raises
    ------
    ValueError
        Shapes do not agree, the deformation is not finite, or there is no photograph.
    """
    image = fit.image if image is None else image
    if image is None:
        raise ValueError("the fit was read from a store: give the photograph as `image`")
    settings = settings or Settings()
    anatomy = anatomy or default_anatomy()
    settled = anatomy.settle(deformation)
    window = window_around(fit.landmarks, WINDOW_MARGIN, image.shape)
    scene = make_scene(fit, window.cut(image), anatomy, window)
    result = image.copy()
    window.view(result)[...] = edit(scene, settled, settings).image
    return result


def edit(scene, deformation, settings):
    """Impose a settled deformation (V, 3) mm, scaled by the settings' intensity, on a Scene.

    Returns
    -------
    Edit
    """
    deformation = np.float32(settings.intensity) * deformation
    motion = move(scene, deformation)
    picture = BLENDS[settings.blend](scene, motion)
    interior = needs_interior(scene, motion, settings.mouth_ratio, settings.mouth_gap)
    if interior:
        picture = draw_interior(picture, scene, motion, deformation)
    if scene.grey:
        picture = np.repeat(np.rint(picture @ LUMINANCE).astype(np.uint8)[..., None], 3, axis=2)
    return Edit(picture, motion, interior)
