"""One photograph and what is wanted of it: what `affect4d synth` and `affect4d play` call."""

from dataclasses import replace

from affect4d.blendshapes.path import resample
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.synthesis import Settings
from affect4d.fitting import fit
from affect4d.synthesis.crop import square_around, window_around
from affect4d.synthesis.editing.editor import WINDOW_MARGIN, Editor
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.quality import measure, refusal
from affect4d.template.anatomy import default_anatomy


def synthesize_photograph(
    photo,
    landmarks,
    valence,
    arousal,
    atlas,
    model,
    *,
    settings=None,
    fitting_settings=None,
    anatomy=None,
    crop=False,
):
    """Impose the affect of a place in the plane on the face in a photograph.

    Parameters
    ----------
    photo : (H, W, 3) uint8
    landmarks : (68, 2) array, pixels counted from 0
    valence, arousal : float; the class that holds them gives deformation and label
    atlas : affect4d.synthesis.deformations.Atlas
    model : affect4d.fitting.MorphableModel
    settings : affect4d.config.synthesis.Settings, optional
    fitting_settings : affect4d.config.fitting.Settings, optional
    anatomy : affect4d.synthesis.anatomy.Anatomy, optional
        Of the template behind `model`; menpo3d's when absent.
    crop : bool
        Give the square around the face at `settings.size` instead of the full frame.

    Returns
    -------
    image : (H, W, 3) uint8, or (size, size, 3) when `crop`
    record : dict: class, valence, arousal (the class's medians), interpolated (bool), quality
        (figures), accepted (bool), reason (str, empty when accepted)

    Raises
    ------
    affect4d.formats.quarantine.BadInput
        The class has no deformation (its line names the nearest that has), or lies outside.
    ValueError
        The landmarks cannot be fitted.
    """
    target = atlas.target(valence, arousal)
    editor = PhotographEditor(photo, landmarks, model, settings, fitting_settings, anatomy, crop)
    return editor.impose(target)


def synthesize_path(photo, landmarks, points, atlas, model, *, frames=24, **options):
    """Images along straight lines through points of the plane.

    Parameters
    ----------
    photo, landmarks, atlas, model : as for `synthesize_photograph`
    points : list of (valence, arousal), at least two
    frames : int, at least 2, in all
    options : settings, fitting_settings, anatomy, crop, as for `synthesize_photograph`

    Returns
    -------
    list of (image, record), equally far apart along the path; a record's label is the mean of the
    classes' labels in which their deformations are mixed

    Raises
    ------
    ValueError
        Fewer than two points or frames.
    affect4d.formats.quarantine.BadInput
        No class around a point has data.
    """
    targets = [atlas.between(v, a) for v, a in resample(points, frames)]
    editor = PhotographEditor(photo, landmarks, model, **options)
    return [editor.impose(target) for target in targets]


def synthesize_expression(photo, landmarks, expression, expressions, model, **options):
    """Impose a basic expression on the face in a photograph.

    Parameters
    ----------
    photo, landmarks, model : as for `synthesize_photograph`
    expression : str
    expressions : affect4d.synthesis.deformations.Expressions
    options : settings, fitting_settings, anatomy, crop, as for `synthesize_photograph`

    Returns
    -------
    (image, record), whose class is the expression; valence and arousal are NaN where posed
    sequences are not annotated

    Raises
    ------
    affect4d.formats.quarantine.BadInput
        The expression has no deformation.
    """
    target = expressions.target(expression)
    return PhotographEditor(photo, landmarks, model, **options).impose(target)


class PhotographEditor:
    """A fitted photograph that takes one target after the other.

    Parameters
    ----------
    photo, landmarks, model, settings, fitting_settings, anatomy, crop :
        As for `synthesize_photograph`.

    Attributes
    ----------
    editor : affect4d.synthesis.synthesize.Editor, of the part of the photograph around the face
    gated : (str,) why the fit was refused, or None

    Raises
    ------
    ValueError
        The landmarks cannot be fitted.
    """

    def __init__(
        self,
        photo,
        landmarks,
        model,
        settings=None,
        fitting_settings=None,
        anatomy=None,
        crop=False,
    ):
        self.photo, self.crop, self.settings = photo, crop, settings or Settings()
        fitted = fit(photo, landmarks, model, fitting_settings or FittingSettings())
        gates = [name for name, shut in fitted.quality.items() if name.startswith("gate_") and shut]
        self.gated = (f"the fit was refused ({', '.join(gates)})",) if gates else None
        self.part = (
            square_around(fitted.landmarks, self.settings.margin, self.settings.size)
            if crop
            else window_around(fitted.landmarks, WINDOW_MARGIN, photo.shape)
        )
        anatomy = anatomy or default_anatomy()
        scene = make_scene(fitted, self.part.cut(photo), anatomy, crop=self.part)
        self.editor = Editor(scene, self.settings)

    def impose(self, target):
        """Image and record, as of `synthesize_photograph`, of one Target."""
        settled = self.editor.scene.anatomy.smooth_and_taper(target.deformation)
        return self.impose_settled(replace(target, deformation=settled))

    def impose_settled(self, target):
        """As `impose`, of a Target whose deformation is settled."""
        made = self.editor.edit(target.deformation)
        image = made.image
        if not self.crop:
            image = self.photo.copy()
            self.part.view(image)[...] = made.image
        figures = measure(self.editor, made)
        reason = refusal(figures, self.settings) or self.gated
        return image, {
            "class": target.name,
            "valence": target.valence,
            "arousal": target.arousal,
            "interpolated": target.interpolated,
            "quality": figures,
            "accepted": reason is None,
            "reason": "" if reason is None else reason[0],
        }
