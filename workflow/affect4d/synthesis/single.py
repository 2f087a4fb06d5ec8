"""One photograph and what is wanted of it: what `affect4d synth` and `affect4d play` call."""

from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d.blendshapes.path import resample
from affect4d.blendshapes.targets import Atlas, Expressions, Target
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.synthesis import Settings
from affect4d.fitting import MorphableModel, fit
from affect4d.synthesis.crop import Crop, Window, square_around, window_around
from affect4d.synthesis.editing.editor import WINDOW_MARGIN, Editor
from affect4d.synthesis.editing.scene import make_scene
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
    """

    settings: Settings
    fitting_settings: FittingSettings
    anatomy: Anatomy
    crop: bool


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
        fitted = fit(photo, landmarks, model, fitting_settings)
        gates = failed_gates(fitted)
        self.fit_refusal = f"the fit was refused ({gates})" if gates else ""
        self.part: Crop | Window = (
            square_around(fitted.landmarks, self.settings.margin, self.settings.size)
            if self.crop
            else window_around(fitted.landmarks, WINDOW_MARGIN, photo.shape)
        )
        anatomy = options.get("anatomy") or default_anatomy()
        scene = make_scene(fitted, self.part.cut(photo), anatomy, crop=self.part)
        self.editor = Editor(scene, self.settings)

    def impose(self, target: Target) -> tuple[Image, Record]:
        """Image and record of one Target, as of `synthesize_photograph`."""
        smooth = self.editor.scene.anatomy.smooth_and_taper(target.deformation)
        return self.impose_smooth(replace(target, deformation=smooth))

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


def synthesize_photograph(
    photo: Image,
    landmarks: NDArray[np.floating],
    model: MorphableModel,
    *,
    atlas: Atlas,
    valence: float,
    arousal: float,
    **options: Unpack[Options],
) -> tuple[Image, Record]:
    """Impose the affect of a point of the plane on the face in a photograph.

    Parameters
    ----------
    photo, landmarks, model, options : as for `PhotographEditor`
    atlas : of the build
    valence, arousal : the class that holds them gives deformation and label

    Returns
    -------
    image : (H, W, 3), or (size, size, 3) with `crop`
    record : class, valence, arousal (the class's medians), interpolated (bool), quality (metrics),
        accepted (bool), reason (str, empty when accepted)

    Raises
    ------
    affect4d.quarantine.BadInput
        The class has no deformation (its line names the nearest that has), or lies outside.
    ValueError
        The landmarks cannot be fitted.
    """
    target = atlas.target(valence, arousal)
    return PhotographEditor(photo, landmarks, model, **options).impose(target)


def synthesize_path(
    photo: Image,
    landmarks: NDArray[np.floating],
    model: MorphableModel,
    *,
    atlas: Atlas,
    points: ArrayLike,
    frames: int = 24,
    **options: Unpack[Options],
) -> list[tuple[Image, Record]]:
    """Images along straight lines through points of the plane.

    Parameters
    ----------
    photo, landmarks, model, options : as for `PhotographEditor`
    atlas : of the build
    points : (N, 2), valence and arousal, at least two
    frames : at least 2, in all

    Returns
    -------
    Images and records, equally far apart along the path; a record's label is the mean of the
    classes' labels in which their deformations are mixed

    Raises
    ------
    ValueError
        Fewer than two points or frames.
    affect4d.quarantine.BadInput
        No class around a point has data.
    """
    targets = [atlas.between(v, a) for v, a in resample(points, frames)]
    editor = PhotographEditor(photo, landmarks, model, **options)
    return [editor.impose(target) for target in targets]


def synthesize_expression(
    photo: Image,
    landmarks: NDArray[np.floating],
    model: MorphableModel,
    *,
    expressions: Expressions,
    name: str,
    **options: Unpack[Options],
) -> tuple[Image, Record]:
    """Impose a basic expression on the face in a photograph.

    Parameters
    ----------
    photo, landmarks, model, options : as for `PhotographEditor`
    expressions : of the build
    name : of the expression

    Returns
    -------
    Image and record, whose class is the expression; valence and arousal are NaN where posed
    sequences are not annotated

    Raises
    ------
    affect4d.quarantine.BadInput
        The expression has no deformation.
    """
    target = expressions.target(name)
    return PhotographEditor(photo, landmarks, model, **options).impose(target)
