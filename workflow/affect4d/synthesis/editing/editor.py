"""Deformations imposed on a fitted face, in its photograph (paper, section 3.4)."""

from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np

from affect4d.config.synthesis import Settings
from affect4d.formats.images import check_image
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.editing.blending import BLENDS
from affect4d.synthesis.editing.flow import Flow
from affect4d.synthesis.editing.mouth_interior import Mouth
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.editing.warp import Motion, motions, side_by_side
from affect4d.template.anatomy import default_anatomy

# Around the landmarks of a full photograph, of their extent: the map fades out within it.
WINDOW_MARGIN = 0.6
LARGEST = 2**23  # places of the lattice, of all edits made together: 64 MB of flow


@dataclass(frozen=True)
class Edit:
    """One synthesized picture: image (H, W, 3) uint8, its Motion, whether a mouth was drawn.

    `landmarks` (68, 2) float32, pixels, have moved with the face.
    """

    image: np.ndarray
    motion: Motion
    interior: bool
    landmarks: np.ndarray


class Editor:
    """Imposes deformations on one Scene; what depends on the photograph alone is computed once.

    Parameters
    ----------
    scene : Scene
    settings : affect4d.config.synthesis.Settings
    """

    def __init__(self, scene, settings):
        self.scene, self.settings = scene, settings
        self.flow = Flow(scene)
        self._blend = BLENDS[settings.blend](self.flow, settings)
        self._mouth = Mouth(scene, self.flow.front, self.flow.far, settings)

    def edits(self, blocks):
        """The Edits of all deformations, in their order.

        Parameters
        ----------
        blocks : list of (V, 3, B) float32, mm, of `side_by_side`: many edits at a time are faster
        """
        for block in chain.from_iterable(map(self._parts, blocks)):
            change = self.flow.change(block)
            prepared = self._blend.prepare(change)
            moved = motions(self.flow, change)
            for number, (own, motion) in enumerate(zip(prepared, moved, strict=True)):
                picture = self._blend.picture(own, motion)
                yield self._finished(picture, motion, block[..., number])

    def _parts(self, block):
        """A block as it is, or, for a large picture, by so few edits that their flows fit."""
        most = max(LARGEST // self.flow.lattice.size, 1)
        for start in range(0, block.shape[2], most):
            yield np.ascontiguousarray(block[..., start : start + most])

    def edit(self, deformation):
        """The Edit of one settled deformation (V, 3) mm, scaled by the settings' intensity."""
        (made,) = self.edits(side_by_side([deformation], self.settings.intensity))
        return made

    def _finished(self, picture, motion, deformation):
        interior = self._mouth.opens(motion)
        if interior:
            picture = self._mouth.draw(picture, motion, deformation)
        if self.scene.grey:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        landmarks, _ = motion.moved(self.flow.front.landmarks)
        return Edit(picture, motion, interior, landmarks)


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
    if image is None and fit.image is None:
        raise ValueError("the fit was read from a store: give the photograph as `image`")
    image = check_image(fit.image if image is None else image)
    if fit.image is not None and image.shape != fit.image.shape:
        raise ValueError(f"the fit is of a photograph {fit.image.shape}, the image {image.shape}")
    anatomy = anatomy or default_anatomy()
    settled = anatomy.settle(deformation)
    window = window_around(fit.landmarks, WINDOW_MARGIN, image.shape)
    scene = make_scene(fit, window.cut(image), anatomy, window)
    result = image.copy()
    window.view(result)[...] = Editor(scene, settings or Settings()).edit(settled).image
    return result
