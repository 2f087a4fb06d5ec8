"""What each synthetic person is recorded doing: spontaneous and posed sequences, frame by frame.

A spontaneous sequence wanders through all four quadrants of the plane; where in each quadrant it
halts follows a low-discrepancy sequence, so that people together visit every class. A posed one
shows a basic emotion from onset to apex to offset and is not annotated in valence and arousal, as
in 4DFAB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.config.gallery import EXPRESSIONS, IctFaceKit, Synthetic
from affect4d.gallery.synthetic.affect import (
    POSED_STRENGTH,
    annotate,
    intensities,
    lean_of,
    prototype,
    with_twitches,
)
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.people import make_person
from affect4d.random_streams import named_rng

_QUADRANTS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
_PLASTIC = np.array([0.7548776662466927, 0.5698402909980532])  # Roberts' R2 sequence
# How people move through the plane and pose: chosen by eye.
MOVE_SHARE = 0.35  # share of a halt's time that is spent moving to it
WANDER_SD = 0.06  # of valence and arousal around the path
CORRELATION_FRAMES = 3.0  # correlation time of that, and of movement that no affect explains
MARGIN = 0.02  # of valence and arousal between a halt and the quadrant's borders
ONSET_SHARE = 1 / 3  # share of a posed sequence before its apex
OFFSET_LEVEL = 0.45  # of the apex that is left in the last frame
_SEQUENCES_PER_SUBJECT = 9  # at most (`gallery.*.spontaneous`): numbers of different people differ

Recording = Synthetic | IctFaceKit


@dataclass(frozen=True)
class Take:
    """One recorded sequence.

    Attributes
    ----------
    name, subject, session, task, expression : as in the table of scans
    units : (T, A) action-unit intensities before the person's style
    affect : (T, 2) valence and arousal that the face shows; NaN where posed
    annotation : (T, 2) what annotators say; NaN where posed
    is_apex, is_neutral : (T,) marks of the frames
    """

    name: str
    subject: str
    session: str
    task: str
    expression: str
    units: NDArray[np.float64]
    affect: NDArray[np.float64]
    annotation: NDArray[np.float64]
    is_apex: NDArray[np.bool_]
    is_neutral: NDArray[np.bool_]

    def frame_ids(self) -> list[str]:
        """Names of the frames."""
        return [f"{self.name}/{t:05d}" for t in range(len(self.units))]


def takes(settings: Recording, subject: str, seed: int) -> list[Take]:
    """Every sequence of one synthetic person."""
    numbers = range(settings.spontaneous)
    spontaneous = [_spontaneous(settings, subject, number, seed=seed) for number in numbers]
    return spontaneous + [_posed(settings, subject, name, seed=seed) for name in EXPRESSIONS]


def annotate_takes(settings: Recording, subjects: Sequence[str], seed: int) -> pd.DataFrame:
    """frame_id, valence, arousal of every frame of these people; NaN where posed."""
    recorded = [take for subject in subjects for take in takes(settings, subject, seed)]
    values = np.concatenate([take.annotation for take in recorded])
    return pd.DataFrame(
        {
            "frame_id": [name for take in recorded for name in take.frame_ids()],
            "valence": values[:, 0].round(4),
            "arousal": values[:, 1].round(4),
        }
    )


def _spontaneous(settings: Recording, subject: str, number: int, *, seed: int) -> Take:
    name = f"{subject}_1_spontaneous{number}"
    rng = named_rng(seed, "take", name)
    length = settings.spontaneous_frames
    affect = wander(length, int(subject[1:]) * _SEQUENCES_PER_SUBJECT + number, rng)
    units = intensities(affect, lean_of(subject, seed))
    units = with_twitches(units, _twitches(rng, units.shape))
    units[0] = 0.0
    return Take(
        name,
        subject,
        "1",
        "spontaneous",
        "",
        units,
        affect,
        annotate(affect, rng, frame_rate=settings.frame_rate, noise=settings.annotation_noise),
        np.zeros(length, dtype=bool),
        np.arange(length) == 0,
    )


def _twitches(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Noise (T, channels) of unit variance, as slow as faces move."""
    return smooth_noise(rng, shape[0], CORRELATION_FRAMES, channels=shape[1])


def wander(length: int, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """From rest through a halt in each quadrant, in random order: (T, 2), |values| <= 1."""
    order = rng.permutation(4)
    points = ((number * 4 + order + 0.5)[:, None] * _PLASTIC) % 1.0
    halts = np.vstack([np.zeros(2), _QUADRANTS[order] * (MARGIN + (1 - 2 * MARGIN) * points)])
    # the first frame is the neutral one, the halts share the rest
    position = np.concatenate([[0.0], np.linspace(0, 4, length - 1, endpoint=False) + 1e-9])
    index = np.minimum(position.astype(int), 3)
    way = np.clip((position - index) / MOVE_SHARE, 0, 1)
    way = (way**2 * (3 - 2 * way))[:, None]
    path: NDArray[np.float64] = (1 - way) * halts[index] + way * halts[index + 1]
    path[1:] += WANDER_SD * _twitches(rng, (length - 1, 2))
    path[0] = 0.0
    return np.clip(path, -1.0, 1.0)


def _posed(settings: Recording, subject: str, emotion: str, *, seed: int) -> Take:
    name = f"{subject}_1_{emotion}"
    rng = named_rng(seed, "take", name)
    length = settings.posed_frames
    time = np.arange(length)
    onset = max(2, int(ONSET_SHARE * length))
    offset = OFFSET_LEVEL + (1 - OFFSET_LEVEL) * (length - 1 - time)
    profile = np.clip(np.minimum(time / onset, offset), 0, 1)
    strength = rng.uniform(*POSED_STRENGTH) * profile
    units = strength[:, None] * prototype(emotion)
    units = with_twitches(units, _twitches(rng, units.shape))
    units[0] = 0.0
    unknown = np.full((length, 2), np.nan)
    return Take(
        name,
        subject,
        "1",
        "posed",
        emotion,
        units,
        unknown,
        unknown,
        profile >= 1.0,
        time == 0,
    )


def styled_units(
    take: Take, modes: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The take's units in the person's style: intensities (T, A), asymmetry (A,), identity (M,)."""
    person = make_person(take.subject, modes, seed)
    return take.units * person.gains, person.asymmetry, person.identity
