"""Deformations imposed on a fitted face, in its photograph (paper, section 3.4).

The stages, each given what the former returns: flow (`flow`), inverse flow (`inverse_flow`), warp
(`warp`), eyes behind lids that move (`eyes`), light (`lighting`), blend (`blending`), mouth
(`mouth`). The eyelids belong to the flow: what closes them moves the mesh. With `blend: warp` the
picture is the photograph moved and relit; with `blend: poisson` it is the paper's, the deformed
mesh rendered with the photograph's texture and blended by Poisson's equation. What that is blended
into is the moved photograph, because over the photograph as it was the old chin would show below
the new one; the render differs from it by what the photograph hides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.config.synthesis import Settings
from affect4d.fitting import Fit
from affect4d.formats.images import check_image
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.editing.blending import Completion
from affect4d.synthesis.editing.eyes import Eyes, lid_rise
from affect4d.synthesis.editing.flow import LANES, ForwardFlow, stack_deformations
from affect4d.synthesis.editing.inverse_flow import InverseFlow, Motion
from affect4d.synthesis.editing.lattice import Lattice
from affect4d.synthesis.editing.lighting import Relighting
from affect4d.synthesis.editing.mouth import Mouth
from affect4d.synthesis.editing.scene import Scene, make_scene
from affect4d.synthesis.editing.visible_mesh import visible_submesh
from affect4d.synthesis.editing.warp import Warp
from affect4d.template.anatomy import Anatomy, default_anatomy

BLENDS = ("warp", "poisson")
# Around the landmarks of a full photograph, of their extent: the map fades out within it.
WINDOW_MARGIN = 0.6
MAX_NODES = 2**23  # of the lattice, of all edits made together: 64 MB of flow


@dataclass(frozen=True)
class Edit:
    """One synthesized picture.

    Attributes
    ----------
    image : (H, W, 3)
    motion : the edit's geometry
    interior : whether the mouth's interior was drawn
    landmarks : (68, 2), pixels, which have moved with the face
    """

    image: NDArray[np.uint8]
    motion: Motion
    interior: bool
    landmarks: NDArray[np.float32]


class Editor:
    """Imposes deformations on one Scene; what depends on the photograph alone is computed once.

    Attributes
    ----------
    scene, settings, mesh, lattice : as they were given, and what follows of the scene
    eyes : the stage
    """

    def __init__(self, scene: Scene, settings: Settings) -> None:
        self.scene, self.settings = scene, settings
        self.mesh = mesh = visible_submesh(scene)
        self.lattice = lattice = Lattice(scene, mesh)
        self._flow = ForwardFlow(
            scene,
            mesh,
            lattice,
            thinning=settings.lip_thinning,
            blink=settings.blink,
            raised_mm=lid_rise(settings.gaze_pitch),
        )
        self._invert = InverseFlow(scene, lattice)
        self._warp = Warp(scene, lattice)
        self.eyes = Eyes(scene, mesh, settings)
        self._relight = self._complete = None
        if settings.relight or settings.folds:
            self._relight = Relighting(scene, mesh, lattice, settings=settings)
        if settings.blend == "poisson":
            self._complete = Completion(scene, mesh, lattice)
        self._fill_mouth = Mouth(scene, mesh, lattice, settings=settings)

    def edits(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Edit]:
        """The Edits of all deformations, in their order.

        Parameters
        ----------
        blocks : (V, 3, B) each, mm, of `stack_deformations`: many edits at a time are faster
        """
        max_edits = max(MAX_NODES // self.lattice.nodes.size, 1)  # so that their flows fit
        if max_edits > LANES:  # rows of more are filled up
            max_edits -= max_edits % LANES
        for block in blocks:
            for start in range(0, block.shape[2], max_edits):
                part = block[..., start : start + max_edits]
                yield from self._edits_of_block(np.ascontiguousarray(part))

    def edit(self, deformation: NDArray[np.floating]) -> Edit:
        """The Edit of one deformation (V, 3) mm, scaled by the settings' intensity.

        It is smoothed and tapered, as by `Anatomy.smooth_and_taper`.
        """
        (edit,) = self.edits(stack_deformations([deformation], self.settings.intensity))
        return edit

    def _edits_of_block(self, deformations: NDArray[np.float32]) -> Iterator[Edit]:
        """All stages, in their order, for deformations (V, 3, B).

        Flow and light are linear in them, or nearly: they are computed for all at once.
        """
        flows = self._flow(deformations)
        factors = self._relight.factors(deformations, flows) if self._relight else None
        for number, flow in enumerate(flows.edits):
            motion = self._invert(flow)
            picture = self._warp(motion)
            picture = self.eyes(picture, motion)
            if self._relight and factors is not None:
                picture = self._relight(picture, motion, factors[number])
            if self._complete:
                picture = self._complete(picture, motion)
            picture, interior = self._fill_mouth(picture, motion)
            if self.scene.grey:
                luminance = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
                picture = np.asarray(cv2.cvtColor(luminance, cv2.COLOR_GRAY2RGB), np.uint8)
            landmarks, _ = motion.positions(self.mesh.landmarks)
            yield Edit(picture, motion, interior, landmarks)


def synthesize(
    fit: Fit,
    deformation: NDArray[np.floating],
    *,
    image: NDArray[np.uint8] | None = None,
    settings: Settings | None = None,
    anatomy: Anatomy | None = None,
) -> NDArray[np.uint8]:
    """The photograph with a deformation imposed on its face.

    Parameters
    ----------
    fit : of the face in the photograph
    deformation : (V, 3), mm, in the template's frame; zero returns the photograph
    image : (H, W, 3), the photograph; the fit's own if absent
    settings : the defaults if absent
    anatomy : of the template whose topology the fit has; menpo3d's if absent

    Returns
    -------
    (H, W, 3), of the photograph's size; unchanged away from the face

    Raises
    ------
    ValueError
        Shapes do not agree, the deformation is not finite, or there is no photograph.
    """
    if image is None and fit.image is None:
        raise ValueError("the fit was read from a store: give the photograph as `image`")
    photograph = check_image(fit.image if image is None else image)
    if fit.image is not None and photograph.shape != fit.image.shape:
        raise ValueError(
            f"the fit is of a photograph {fit.image.shape}, the image {photograph.shape}"
        )
    anatomy = anatomy or default_anatomy()
    smooth = anatomy.smooth_and_taper(deformation)
    window = window_around(fit.landmarks, WINDOW_MARGIN, photograph.shape)
    scene = make_scene(fit, window.cut(photograph), anatomy, crop=window)
    result = photograph.copy()
    window.view(result)[...] = Editor(scene, settings or Settings()).edit(smooth).image
    return result
