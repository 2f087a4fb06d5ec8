"""How good a fit is, and whether synthesis should use it."""

import numpy as np

from affect4d.fitting.appearance import covered, sharpness
from affect4d.template.ibug68 import LOWER_INNER_LIP, OUTER_EYE_CORNERS, UPPER_INNER_LIP

FIGURES = (
    "error_model",
    "error_corrected",
    "yaw",
    "pitch",
    "roll",
    "mouth_opening",
    "identity_norm",
    "expression_norm",
    "outliers",
    "outside",
    "sharpness",
    "covered",
    "gate_yaw",
    "gate_mouth",
    "gate_residual",
    "gate_outliers",
    "gate_outside",
    "accepted",
)
FACING = 0.35  # cosine to the viewer from which skin is seen well


def inter_ocular(landmarks):
    """Distance of the outer eye corners (300-W's convention), in the landmarks' unit."""
    right, left = landmarks[OUTER_EYE_CORNERS]
    return float(np.linalg.norm(left - right))


def mouth_opening(landmarks, size):
    """Mean gap between upper and lower inner lip over the inter-ocular distance.

    That distance, `size`, is the face's as if seen frontally: the picture's shrinks as the head
    turns, while the gap does not.
    """
    gap = np.linalg.norm(landmarks[UPPER_INNER_LIP] - landmarks[LOWER_INNER_LIP], axis=1)
    return float(gap.mean()) / size


def measure(fit, model, kept, errors, settings):
    """Quality figures of a fit and its gates.

    Parameters
    ----------
    fit : affect4d.fitting.Fit with its image
    model : MorphableModel
    kept : (68,) bool, the landmarks that were not left out
    errors : mean landmark error over the inter-ocular distance, before and after the correction
    settings : affect4d.config.fitting.Settings

    Returns
    -------
    dict of floats named by FIGURES: `error_model`, `error_corrected` (the errors), `yaw`,
    `pitch`, `roll` (degrees), `mouth_opening`, `identity_norm`, `expression_norm` (root mean
    square of the coefficients), `outliers` (landmarks left out), `outside` (landmarks beyond the
    picture's edge), `sharpness`, `covered` (see `fitting.appearance`), `gate_yaw`, `gate_mouth`,
    `gate_residual`, `gate_outliers`, `gate_outside` (1 where the gate closes) and `accepted` (1
    where none does).
    """
    camera, outliers = fit.camera, int((~kept).sum())
    beyond = int(outside(fit.landmarks, fit.image.shape).sum())
    size = camera.scale * inter_ocular(fit.vertices[model.landmark_vertices])
    opening = mouth_opening(fit.landmarks, size)
    pose = camera.angles_degrees
    norms = [_rms(values) for values in (fit.identity, fit.expression)]
    looks = (sharpness(fit.image, fit.landmarks, size), covered(fit.image, _skin(fit, model)))
    gates = (
        abs(pose[0]) > settings.max_yaw,
        opening > settings.max_mouth_opening,
        errors[0] > settings.max_residual,
        outliers > settings.max_outliers,
        beyond > settings.max_outside,
    )
    figures = (*errors, *pose, opening, *norms, outliers, beyond, *looks, *gates, not any(gates))
    return dict(zip(FIGURES, map(float, figures), strict=True))


def outside(landmarks, shape):
    """(68,) bool: landmarks (68, 2) px beyond the edge of a picture of a shape (H, W, ...)."""
    height, width = shape[:2]
    return ((landmarks < -0.5) | (landmarks > [width - 0.5, height - 0.5])).any(1)


def _skin(fit, model):
    """Where the picture should show skin that faces the viewer, (N, 2) pixels."""
    skin = model.skin[model.normals[model.skin] @ fit.camera.seen[2] > FACING]
    return fit.camera.project(fit.vertices[skin])[:, :2] + fit.offset[skin]


def landmark_error(positions, landmarks, kept):
    """Mean distance of positions (68, 2) to the landmarks kept, over the inter-ocular distance.

    Where an outer eye corner is left out, `positions` give that distance.
    """
    sound = np.where(kept[:, None], landmarks, positions)
    return float(np.linalg.norm(positions - sound, axis=1)[kept].mean()) / inter_ocular(sound)


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
