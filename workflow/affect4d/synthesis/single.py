"""One photograph and what is wanted of it: what `affect4d synth` and `affect4d play` call."""

from copy import copy
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from affect4d.blendshapes.targets import Target
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.synthesis import Settings
from affect4d.fitting import MorphableModel, fit
from affect4d.synthesis.crop import Crop, Window, square_around, window_around
from affect4d.synthesis.editing.editor import WINDOW_MARGIN, Editor
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.neutralising import Neutraliser
from affect4d.synthesis.quality import failed_gates, measure, refusal
from affect4d.template.anatomy import Anatomy, default_anatomy

Image = NDArray[np.uint8]
Record = dict[str, Any]


class Options(TypedDict, total=False):
    """What may be chosen for a photograph.

    Attributes
    ----------
    settings, fitting_settings : the defaults if absent
    anatomy : of the template behind the model; menpo3d's if absent
    crop : give the square around the face at `settings.size` instead of the full frame
    neutralise : removes the photograph's expression first
    """

    settings: Settings
    fitting_settings: FittingSettings
    anatomy: Anatomy
    crop: bool
    neutralise: Neutraliser | None


class PhotographEditor:
    """A fitted photograph on which one target after the other is imposed.

    Parameters
    ----------
    photo : (H, W, 3)
    landmarks : (68, 2), pixels counted from 0
    model : to fit
    options : see `Options`

    Attributes
    ----------
    editor : of the part of the photograph around the face
    fit_refusal : why the fit was refused; empty if it was not

    Raises
    ------
    ValueError
        The landmarks cannot be fitted.
    """

    def __init__(
        self,
        photo: Image,
        landmarks: NDArray[np.floating],
        model: MorphableModel,
        **options: Unpack[Options],
    ) -> None:
        self.photo, self.crop = photo, options.get("crop", False)
        self.settings = options.get("settings") or Settings()
        fitting_settings = options.get("fitting_settings") or FittingSettings()
        fitted = fit(photo, landmarks, model, settings=fitting_settings)
        gates = failed_gates(fitted, self.settings)
        self.fit_refusal = f"the fit was refused ({gates})" if gates else ""
        self.part: Crop | Window = (
            square_around(fitted.landmarks, self.settings.margin, self.settings.size)
            if self.crop
            else window_around(fitted.landmarks, WINDOW_MARGIN, photo.shape)
        )
        anatomy = options.get("anatomy") or default_anatomy()
        if neutralise := options.get("neutralise"):
            neutral = neutralise(photo, fitted)
            photo, fitted = neutral.photo, neutral.fit
            self.fit_refusal = self.fit_refusal or (neutral.failure or ("",))[0]
        scene = make_scene(fitted, self.part.cut(photo), anatomy, crop=self.part)
        self.editor = Editor(scene, self.settings)

    def impose(self, target: Target) -> tuple[Image, Record]:
        """Impose one Target.

        Returns
        -------
        image : (H, W, 3), or (size, size, 3) with `crop`
        record : class, valence, arousal (the target's label), interpolated (bool), quality
            (metrics), accepted (bool), reason (str, empty when accepted)
        """
        smooth = self.editor.scene.anatomy.smooth_and_taper(target.deformation)
        return self.impose_smooth(replace(target, deformation=smooth))

    def with_blend(self, blend: str) -> "PhotographEditor":
        """The same photograph, edited by another blend; the fit is shared."""
        other = copy(self)
        other.settings = Settings(**{**self.settings.model_dump(), "blend": blend})
        other.editor = Editor(self.editor.scene, other.settings)
        return other

    def impose_smooth(self, target: Target) -> tuple[Image, Record]:
        """As `impose`, of a Target whose deformation has been smoothed and tapered."""
        edit = self.editor.edit(target.deformation)
        image = edit.image
        if isinstance(self.part, Window):
            image = self.photo.copy()
            self.part.view(image)[...] = edit.image
        metrics = measure(self.editor, edit)
        reason = refusal(metrics, self.settings)
        rejection = self.fit_refusal if reason is None else reason[0]
        return image, {
            "class": target.name,
            "valence": target.valence,
            "arousal": target.arousal,
            "interpolated": target.interpolated,
            "quality": metrics,
            "accepted": not rejection,
            "reason": rejection,
        }
