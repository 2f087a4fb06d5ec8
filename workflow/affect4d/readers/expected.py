"""What a reader should say of a face with some valence and arousal, and what changed towards it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affect4d.readers.reading import EXPRESSIONS, Readings

CENTRE = 0.35  # of the plane: radius within which a face is as good as neutral
PHOTOGRAPH, NEAR_CENTRE = "photograph", "near the centre"
# Where the basic expressions lie in the plane (Russell & Mehrabian 1977, table 2). Of calm and
# content faces, low and positive, the classifier knows no more than that they smile.
GROUPS = {
    "aroused, positive": ("happiness", "surprise"),
    "aroused, negative": ("anger", "disgust", "fear"),
    "calm, negative": ("sadness",),
    "calm, positive": ("happiness",),
    NEAR_CENTRE: ("neutral",),
    PHOTOGRAPH: ("neutral",),
    **{name: (name,) for name in EXPRESSIONS},
}


def quadrant(valence: float, arousal: float) -> str:
    """The name of a point's quadrant, or NEAR_CENTRE: one of GROUPS."""
    if np.hypot(valence, arousal) < CENTRE:
        return NEAR_CENTRE
    return f"{'aroused' if arousal >= 0 else 'calm'}, {'positive' if valence >= 0 else 'negative'}"


def rises(readings: Readings, photographs: Readings, groups: Sequence[str]) -> NDArray[np.float64]:
    """Gain (N,) of the expected expressions' probability over the neutral photograph.

    Parameters
    ----------
    readings : of N pictures
    photographs : of the photograph behind each, or of the only one
    groups : of each picture, one of GROUPS
    """
    wanted = np.array([[name in GROUPS[group] for name in EXPRESSIONS] for group in groups])
    gains = readings.probabilities - photographs.probabilities
    return np.asarray((gains * wanted.reshape(-1, len(EXPRESSIONS))).sum(axis=1))
