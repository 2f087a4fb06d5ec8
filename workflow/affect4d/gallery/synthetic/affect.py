"""From a place in the valence-arousal plane to action units, and to what annotators make of it.

Emotions' places: Russell & Mehrabian 1977. Their units: FACS prototypes (Ekman & Friesen 1978).
"""

import numpy as np

from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.noise import smooth_noise

PLACES = {
    "happiness": (0.81, 0.51),
    "excited": (0.62, 0.75),
    "surprise": (0.40, 0.67),
    "anger": (-0.51, 0.59),
    "fear": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "sadness": (-0.63, -0.27),
    "bored": (-0.65, -0.62),
    "relaxed": (0.68, -0.46),
}
PROTOTYPES = {
    "happiness": {"AU6": 0.9, "AU12": 1.0, "AU25": 0.5},
    "excited": {"AU5": 0.4, "AU6": 0.6, "AU12": 1.0, "AU25": 0.5, "AU26": 0.4, "AU2": 0.3},
    "surprise": {"AU1": 0.9, "AU2": 0.9, "AU5": 0.9, "AU26": 0.75},
    "anger": {"AU4": 1.0, "AU5": 0.4, "AU7": 0.8, "AU23": 0.9},
    "fear": {"AU1": 0.9, "AU2": 0.5, "AU4": 0.6, "AU5": 0.9, "AU7": 0.3, "AU20": 0.9, "AU26": 0.35},
    "disgust": {"AU9": 0.9, "AU10": 0.4, "AU15": 0.7, "AU4": 0.3, "AU17": 0.3},
    "sadness": {"AU1": 0.9, "AU4": 0.6, "AU15": 0.9, "AU17": 0.5},
    "bored": {"AU43": 0.6, "AU15": 0.4},
    "relaxed": {"AU12": 0.5, "AU43": 0.35},
}
KERNEL = 0.33
FULL_RADIUS = 0.75
DELAY_S = (0.2, 0.5)
DRIFT_S = 3.0
MOOD_SD = 0.10  # affect of a sequence that no shape shows
TWITCH_SD = 0.05  # movement that no affect explains


def prototype(emotion):
    """Intensities (A,) of an emotion's action units."""
    return np.array([PROTOTYPES[emotion].get(name, 0.0) for name in NAMES])


_POINTS = np.array(list(PLACES.values()))
_UNITS = np.array([prototype(name) for name in PLACES])


def intensities(affect):
    """Action units that show a place in the plane.

    Kernel weights between the emotions' places, nothing at the origin, growing with the radius.

    Parameters
    ----------
    affect : (T, 2) valence, arousal

    Returns
    -------
    (T, A) intensities, 0 at rest, 1 in full
    """
    affect = np.atleast_2d(affect)
    squared = ((affect[:, None] - _POINTS[None]) ** 2).sum(2)
    weights = np.exp(-(squared - squared.min(1, keepdims=True)) / (2 * KERNEL**2))
    weights /= weights.sum(1, keepdims=True)
    radius = np.linalg.norm(affect, axis=1, keepdims=True) / FULL_RADIUS
    growth = radius**2 * (3 - 2 * radius) * (radius < 1) + (1 + 0.2 * (radius - 1)) * (radius >= 1)
    return growth * (weights @ _UNITS)


def annotate(affect, frame_rate, noise, rng):
    """What annotators write down while they watch: late, drifting, and not all of it on the face.

    Parameters
    ----------
    affect : (T, 2) valence and arousal that the shape shows
    frame_rate : Hz
    noise : standard deviation of the slow error
    rng : Generator

    Returns
    -------
    (T, 2) in [-1, 1], the range of the annotation tool
    """
    length = len(affect)
    late = np.arange(length) - rng.uniform(*DELAY_S) * frame_rate
    seen = np.stack([np.interp(late, np.arange(length), channel) for channel in affect.T], axis=1)
    error = noise * smooth_noise(rng, length, DRIFT_S * frame_rate, 2)
    return np.clip(seen + error + MOOD_SD * rng.normal(size=2), -1.0, 1.0)


def ceiling(affect, annotation):
    """The CCC that no predictor linear in the shown affect can exceed, for valence and arousal.

    The least-squares prediction of a quantity has CCC 2 R^2 / (1 + R^2): its covariance with the
    quantity is its own variance, R^2 times the quantity's.

    Parameters
    ----------
    affect : (N, 2) what the shapes show
    annotation : (N, 2)

    Returns
    -------
    (2,) float64
    """
    design = np.column_stack([np.ones(len(affect)), affect])
    solution = np.linalg.lstsq(design, annotation, rcond=None)[0]
    residual = annotation - design @ solution
    determined = 1.0 - residual.var(axis=0) / annotation.var(axis=0)
    return 2 * determined / (1 + determined)
