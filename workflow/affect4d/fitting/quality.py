"""How good a fit is, and whether synthesis should use it."""

import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.fitted import Fit
from affect4d.fitting.image_quality import covered, sharpness
from affect4d.fitting.model import MorphableModel
from affect4d.template.ibug68 import LOWER_INNER_LIP, OUTER_EYE_CORNERS, UPPER_INNER_LIP

METRICS = (
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
MIN_FACING = 0.35  # cosine of skin to the line of sight: below, its colour is that of an edge


def inter_ocular(landmarks: NDArray[np.floating]) -> float:
    """Distance of the outer eye corners (300-W's convention), in the landmarks' unit."""
    right, left = landmarks[OUTER_EYE_CORNERS]
    return float(np.linalg.norm(left - right))


def mouth_opening(landmarks: NDArray[np.floating], size: float) -> float:
    """Mean gap between upper and lower inner lip over the inter-ocular distance.

    That distance, `size`, is the face's as if seen frontally: the picture's shrinks as the head
    turns, while the gap does not.
    """
    gap = np.linalg.norm(landmarks[UPPER_INNER_LIP] - landmarks[LOWER_INNER_LIP], axis=1)
    return float(gap.mean()) / size


def measure(
    fit: Fit,
    model: MorphableModel,
    *,
    kept: NDArray[np.bool_],
    errors: tuple[float, float],
    settings: Settings,
) -> dict[str, float]:
    """Quality figures of a fit and its gates.

    Parameters
    ----------
    fit : with its image
    model : that was fitted
    kept : (68,), the landmarks that were not rejected
    errors : mean landmark error over the inter-ocular distance, before and after the correction
    settings : the gates' thresholds

    Returns
    -------
    Figures named by METRICS: `error_model`, `error_corrected` (the errors), `yaw`,
    `pitch`, `roll` (degrees), `mouth_opening`, `identity_norm`, `expression_norm` (root mean
    square of the coefficients), `outliers` (landmarks rejected), `outside` (landmarks beyond the
    picture's edge), `sharpness`, `covered` (see `fitting.image_quality`), `gate_yaw`, `gate_mouth`,
    `gate_residual`, `gate_outliers`, `gate_outside` (1 where the gate closes) and `accepted` (1
    where none does).
    """
    if fit.image is None:
        raise ValueError("a fit without its image cannot be measured")
    camera, outliers = fit.camera, int((~kept).sum())
    beyond = int(outside(fit.landmarks, fit.image.shape).sum())
    size = float(camera.scale) * inter_ocular(fit.vertices[model.landmark_vertices])
    opening = mouth_opening(fit.landmarks, size)
    pose = camera.angles_degrees
    norms = [_rms(values) for values in (fit.identity, fit.expression)]
    pixels = (sharpness(fit.image, fit.landmarks, size), covered(fit.image, _skin(fit, model)))
    gates = (
        abs(pose[0]) > settings.max_yaw,
        opening > settings.max_mouth_opening,
        errors[0] > settings.max_residual,
        outliers > settings.max_outliers,
        beyond > settings.max_outside,
    )
    figures = (*errors, *pose, opening, *norms, outliers, beyond, *pixels, *gates, not any(gates))
    return dict(zip(METRICS, map(float, figures), strict=True))


def outside(landmarks: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(68,) bool: landmarks (68, 2) px beyond the edge of a picture of a shape (H, W, ...)."""
    height, width = shape[:2]
    beyond = (landmarks < -0.5) | (landmarks > [width - 0.5, height - 0.5])
    return np.asarray(beyond.any(1))


def _skin(fit: Fit, model: MorphableModel) -> NDArray[np.floating]:
    """Where the picture should show skin that faces the viewer, (N, 2) pixels."""
    skin = model.skin[model.normals[model.skin] @ fit.camera.apparent_rotation[2] > MIN_FACING]
    points: NDArray[np.floating] = fit.camera.project(fit.vertices[skin])[:, :2] + fit.offset[skin]
    return points


def landmark_error(
    positions: NDArray[np.floating], landmarks: NDArray[np.floating], kept: NDArray[np.bool_]
) -> float:
    """Mean distance of positions (68, 2) to the landmarks kept, over the inter-ocular distance.

    Where an outer eye corner was rejected, `positions` give that distance.
    """
    reference = np.where(kept[:, None], landmarks, positions)
    distance = np.linalg.norm(positions - reference, axis=1)[kept]
    return float(distance.mean()) / inter_ocular(reference)


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
