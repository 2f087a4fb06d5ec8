"""What each synthetic person is recorded doing: spontaneous and posed sequences, frame by frame.

A spontaneous sequence wanders through all four quadrants of the plane; where in each quadrant it
halts is dealt so that people together visit every class. A posed one shows a basic emotion from
onset to apex to offset and is not annotated in valence and arousal, as in 4DFAB.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from affect4d.config.gallery import EXPRESSIONS
from affect4d.gallery.synthetic.affect import TWITCH_SD, annotate, intensities, prototype
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.people import person
from affect4d.random_streams import named_rng

_QUADRANTS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
_PLASTIC = np.array([0.7548776662466927, 0.5698402909980532])  # Roberts' R2 sequence
_WANDER_SD = 0.06
_TURN = 0.35  # share of a halt spent on the way to it


@dataclass(frozen=True)
class Take:
    """One recorded sequence.

    Attributes
    ----------
    name, subject, session, task, expression : str
    units : (T, A) action-unit intensities before the person's style
    affect : (T, 2) valence and arousal that the face shows; NaN where posed
    annotation : (T, 2) what annotators say; NaN where posed
    is_apex, is_neutral : (T,) bool
    """

    name: str
    subject: str
    session: str
    task: str
    expression: str
    units: np.ndarray
    affect: np.ndarray
    annotation: np.ndarray
    is_apex: np.ndarray
    is_neutral: np.ndarray

    def frame_ids(self):
        """Names of the frames."""
        return [f"{self.name}/{t:05d}" for t in range(len(self.units))]


def takes(settings, subject, seed):
    """Every sequence of one synthetic person (config.gallery.Recording)."""
    spontaneous = [_spontaneous(settings, subject, k, seed) for k in range(settings.spontaneous)]
    return spontaneous + [_posed(settings, subject, name, seed) for name in EXPRESSIONS]


def annotations(settings, subjects, seed):
    """frame_id, valence, arousal of every frame of these people; NaN where posed."""
    every = [take for subject in subjects for take in takes(settings, subject, seed)]
    values = np.concatenate([take.annotation for take in every])
    return pd.DataFrame(
        {
            "frame_id": [name for take in every for name in take.frame_ids()],
            "valence": values[:, 0].round(4),
            "arousal": values[:, 1].round(4),
        }
    )


def _spontaneous(settings, subject, number, seed):
    name = f"{subject}_1_spontaneous{number}"
    rng = named_rng(seed, "take", name)
    length = settings.spontaneous_frames
    affect = _wander(length, int(subject[1:]) * 9 + number, rng)
    units = intensities(affect)
    units = units + TWITCH_SD * smooth_noise(rng, length, 3.0, units.shape[1])
    units[0] = 0.0
    return Take(
        name,
        subject,
        "1",
        "spontaneous",
        "",
        np.clip(units, 0, 1.25),
        affect,
        annotate(affect, settings.frame_rate, settings.annotation_noise, rng),
        np.zeros(length, dtype=bool),
        np.arange(length) == 0,
    )


def _wander(length, number, rng):
    """From rest through a halt in each quadrant, in random order: (T, 2), |values| <= 1."""
    order = rng.permutation(4)
    places = ((number * 4 + order + 0.5)[:, None] * _PLASTIC) % 1.0
    halts = np.vstack([np.zeros(2), _QUADRANTS[order] * (0.02 + 0.96 * places)])
    # the first frame is the neutral one, the halts share the rest
    position = np.concatenate([[0.0], np.linspace(0, 4, length - 1, endpoint=False) + 1e-9])
    index = np.minimum(position.astype(int), 3)
    way = np.clip((position - index) / _TURN, 0, 1)
    way = (way**2 * (3 - 2 * way))[:, None]
    path = (1 - way) * halts[index] + way * halts[index + 1]
    path[1:] += _WANDER_SD * smooth_noise(rng, length - 1, 3.0, 2)
    path[0] = 0.0
    return np.clip(path, -1.0, 1.0)


def _posed(settings, subject, emotion, seed):
    name = f"{subject}_1_{emotion}"
    rng = named_rng(seed, "take", name)
    length = settings.posed_frames
    time = np.arange(length)
    onset = max(2, length // 3)
    profile = np.clip(np.minimum(time / onset, 0.45 + 0.55 * (length - 1 - time)), 0, 1)
    strength = rng.uniform(0.85, 1.1) * profile
    twitch = TWITCH_SD * smooth_noise(rng, length, 3.0, len(prototype(emotion)))
    twitch[0] = 0.0
    unknown = np.full((length, 2), np.nan)
    return Take(
        name,
        subject,
        "1",
        "posed",
        emotion,
        np.clip(strength[:, None] * prototype(emotion) + twitch, 0, 1.25),
        unknown,
        unknown,
        profile >= 1.0,
        time == 0,
    )


def styled_units(take, modes, seed):
    """The take's units in the person's own style: (T, A) intensities, (A,) asymmetry, identity."""
    who = person(take.subject, modes, seed)
    return take.units * who.gains, who.asymmetry, who.identity
