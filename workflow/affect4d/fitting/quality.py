"""How good a fit is, and whether synthesis should use it."""

import numpy as np

OUTER_EYE_CORNERS = (36, 45)
FIGURES = (
    "error_model",
    "error_corrected",
    "yaw",
    "pitch",
    "roll",
    "mouth_opening",
    "identity_norm",
    "expression_norm",
    "gate_yaw",
    "gate_mouth",
    "gate_residual",
    "accepted",
)
INNER_LIPS_ABOVE, INNER_LIPS_BELOW = [61, 62, 63], [67, 66, 65]


def inter_ocular(landmarks):
    """Distance of the outer eye corners (300-W's convention), in the landmarks' unit."""
    left, right = OUTER_EYE_CORNERS
    return float(np.linalg.norm(landmarks[right] - landmarks[left]))


def mouth_opening(landmarks, scale, vertices, landmark_vertices):
    """Mean gap between upper and lower inner lip over the fitted face's inter-ocular distance.

    The distance is that of the fitted face, (V, 3) mm at `scale` pixels a mm: the picture's
    shrinks as the head turns, while the gap does not.
    """
    gap = np.linalg.norm(landmarks[INNER_LIPS_ABOVE] - landmarks[INNER_LIPS_BELOW], axis=1)
    return float(gap.mean()) / (scale * inter_ocular(vertices[landmark_vertices]))


def measure(camera, coefficients, opening, errors, settings):
    """Quality figures of a fit and its gates.

    Parameters
    ----------
    camera : Camera
    coefficients : identity (Ki,) and expression (Ke,)
    opening : float, see `mouth_opening`
    errors : mean landmark error over the inter-ocular distance, before and after the correction
    settings : affect4d.config.fitting.Settings

    Returns
    -------
    dict of floats named by FIGURES: `error_model`, `error_corrected` (the errors), `yaw`,
    `pitch`, `roll` (degrees), `mouth_opening`, `identity_norm`, `expression_norm` (root mean
    square of the coefficients), `gate_yaw`, `gate_mouth`, `gate_residual` (1 where the gate
    closes) and `accepted` (1 where none does).
    """
    yaw, (before, after) = camera.yaw_degrees, errors
    gates = (
        abs(yaw) > settings.max_yaw,
        opening > settings.max_mouth_opening,
        before > settings.max_residual,
    )
    norms = [_rms(values) for values in coefficients]
    pose = (yaw, camera.pitch_degrees, camera.roll_degrees)
    figures = (before, after, *pose, opening, *norms, *gates, not any(gates))
    return dict(zip(FIGURES, map(float, figures), strict=True))


def landmark_error(positions, landmarks):
    """Mean distance of positions (68, 2) to landmarks (68, 2) over the inter-ocular distance."""
    return float(np.linalg.norm(positions - landmarks, axis=1).mean()) / inter_ocular(landmarks)


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
