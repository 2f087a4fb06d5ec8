"""From valence and arousal to action units, and to what annotators note down.

The emotions' valence and arousal: Russell & Mehrabian 1977, but for fear and surprise. Theirs of
fear lies .13 from their anger, from which it differs in dominance; a plane has no dominance, and
both together make a worried face. Russell's circumplex (1980; read off by Paltoglou & Thelwall
2013) has fear ("afraid") as aroused and less unpleasant, and surprise ("astonished") more aroused
than delight, which drops no jaw. Where emotions lie near each other, people lean to one. Their
units: EMFACS (Friesen & Ekman 1983), of the posed ones those of the Radboud Faces Database (Langner
et al. 2010), of anger also what Du, Tao & Martinez 2014 found of 230 people (4 and 7). Happiness is
as strong as people's smiles for a photographer that show the teeth (docs/gallery.md); the other
intensities are chosen by eye, and the units of disgust, fear and sadness also by what an expression
reader makes of them (docs/synthesis.md).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.random_streams import named_rng

AFFECT = {  # valence, arousal
    "happiness": (0.81, 0.51),
    "excited": (0.62, 0.75),
    "surprise": (0.42, 0.79),
    "anger": (-0.51, 0.59),
    "fear": (-0.12, 0.79),
    "disgust": (-0.60, 0.35),
    "sadness": (-0.63, -0.27),
    "bored": (-0.65, -0.62),
    "relaxed": (0.68, -0.46),
}
PROTOTYPES = {  # intensities of the units
    "happiness": {"AU6": 0.6, "AU12": 0.85, "AU16": 0.12, "AU25": 0.8, "AU26": 0.08},
    # cheeks rise the more the stronger a smile is: unit 6 follows unit 12
    "excited": {
        "AU1": 0.3, "AU2": 0.4, "AU6": 0.85, "AU12": 1.0, "AU25": 0.8, "AU26": 0.1,
    },
    "surprise": {"AU1": 1.0, "AU2": 1.0, "AU5": 1.0, "AU26": 1.0},
    # of the two mouths of anger (Ekman & Friesen 1975) the square one, which bares the teeth;
    # pressed lips (AU24) are lost to scans, which do not see what rolls inwards
    "anger": {
        "AU4": 1.0, "AU5": 0.6, "AU7": 1.0, "AU10": 0.7, "AU16": 0.3, "AU23": 0.5, "AU25": 1.0,
    },
    # of 230 people 57 % raise the outer brow in fear, 33 % drop the jaw (Du, Tao & Martinez 2014)
    "fear": {
        "AU1+4": 1.0, "AU2": 0.6, "AU4": 0.4, "AU5": 1.0, "AU20": 0.7, "AU25": 1.0, "AU26": 0.5,
    },
    # of EMFACS' forms of disgust the one that opens the mouth; cheeks that the wrinkled nose lifts
    # narrow the eyes
    "disgust": {
        "AU6": 0.8, "AU7": 0.8, "AU9": 1.0, "AU10": 0.3, "AU15": 0.2, "AU16": 0.4, "AU26": 0.2,
    },
    # who is sad looks down (64), and the upper lids follow
    "sadness": {"AU1+4": 1.0, "AU6": 0.4, "AU15": 1.0, "AU17": 0.9, "AU43": 0.3},
    "bored": {"AU15": 0.4, "AU43": 0.5},
    "relaxed": {"AU6": 0.2, "AU12": 0.5, "AU43": 0.2},
}  # fmt: skip
# How affect is shown: chosen by eye. Valence and arousal are in [-1, 1].
# Of the Gaussian that mixes the emotions around a point: half as far as neighbours lie apart (the
# median is .31), so that in the middle between two of them both show.
KERNEL_SD = 0.15
# Of the logarithm of how much more a person shows one emotion than others do: little beside what
# the kernel tells, as few sequences of the embedded gallery pass through one class.
LEAN_SD = 0.5
FULL_RADIUS = 0.75  # distance from the origin at which an emotion shows in full
GAIN_BEYOND = 0.2  # growth of the intensities per radius beyond that
# Share of a prototype at a posed apex, from and to: the prototype is the mean, as a smile is of
# people's smiles. No place shows more than the strongest.
POSED_STRENGTH = (0.9, 1.1)
MAX_INTENSITY = POSED_STRENGTH[1]  # at which an action unit is clipped
TWITCH_SD = 0.05  # intensity of movement that no affect explains
# How affect is annotated: chosen so that the highest reachable CCC is below one, as for human
# annotators (benchmarks/gallery.py prints it).
DELAY_S = (0.2, 0.5)  # reaction time of an annotator, from and to
DRIFT_S = 3.0  # correlation time of the annotators' error
MOOD_SD = 0.10  # affect of a sequence that no shape shows


# Standard deviations, and the mean of Gaussian noise of unit variance about them, cut at 0.
_LEVELS = np.linspace(-3, 3, 601)
_RECTIFIED = np.exp(-(_LEVELS**2) / 2) / np.sqrt(2 * np.pi) + _LEVELS * ndtr(_LEVELS)


def prototype(emotion: str) -> NDArray[np.float64]:
    """Intensities (A,) of an emotion's action units."""
    return np.array([PROTOTYPES[emotion].get(name, 0.0) for name in NAMES])


_POINTS = np.array(list(AFFECT.values()))
_UNITS = np.array([prototype(name) for name in AFFECT])


def lean_of(name: str, seed: int) -> NDArray[np.float64]:
    """The lean (E,) of the person of that name to each emotion of AFFECT, a logarithm."""
    return LEAN_SD * named_rng(seed, "lean", name).normal(size=len(AFFECT))


def intensities(
    affect: NDArray[np.float64], lean: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Action units that show valence and arousal.

    A kernel mixes the emotions around; intensities are 0 at the origin and grow with the radius, up
    to those of the strongest posed apex.

    Parameters
    ----------
    affect : (T, 2) valence, arousal
    lean : (E,) to each emotion; 0 if absent

    Returns
    -------
    (T, A) intensities, 0 at rest, 1 in full; one row where `affect` is (2,)
    """
    affect = np.atleast_2d(affect)
    squared = ((affect[:, None] - _POINTS[None]) ** 2).sum(2)
    likely = -squared / (2 * KERNEL_SD**2) + (0 if lean is None else lean)
    weights = np.exp(likely - likely.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    radius = np.linalg.norm(affect, axis=1, keepdims=True) / FULL_RADIUS
    inside, beyond = radius**2 * (3 - 2 * radius), 1 + GAIN_BEYOND * (radius - 1)
    beyond = np.minimum(beyond, POSED_STRENGTH[1])
    growth = inside * (radius < 1) + beyond * (radius >= 1)
    shown: NDArray[np.float64] = growth * (weights @ _UNITS)
    return shown


def with_twitches(units: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intensities with movement that no affect explains, whose mean over time is 0.

    A unit cannot be negative. Noise that is cut at 0 would lift the mean of every unit at rest, and
    so open every mouth; it is added to a lower intensity, from which the cut leads back to the one
    that is given (mean of a rectified Gaussian). What exceeds MAX_INTENSITY is lost.

    Parameters
    ----------
    units : (T, A)
    noise : (T, A), of unit variance

    Returns
    -------
    (T, A) in [0, MAX_INTENSITY]
    """
    given = np.asarray(units) / TWITCH_SD
    lowered = np.where(given < _LEVELS[-1], np.interp(given, _RECTIFIED, _LEVELS), given)
    shown: NDArray[np.float64] = np.clip(TWITCH_SD * (lowered + noise), 0, MAX_INTENSITY)
    return shown


def annotate(
    affect: NDArray[np.float64], rng: np.random.Generator, *, frame_rate: float, noise: float
) -> NDArray[np.float64]:
    """What annotators note down while they watch: late, drifting, and not all of it on the face.

    Parameters
    ----------
    affect : (T, 2) valence and arousal that the shape shows
    rng : draws delay, error and mood
    frame_rate : Hz
    noise : standard deviation of the slow error

    Returns
    -------
    (T, 2) in [-1, 1], the range of the annotation tool
    """
    length = len(affect)
    late = np.arange(length) - rng.uniform(*DELAY_S) * frame_rate
    seen = np.stack([np.interp(late, np.arange(length), channel) for channel in affect.T], axis=1)
    error = noise * smooth_noise(rng, length, DRIFT_S * frame_rate, channels=2)
    noted: NDArray[np.float64] = seen + error + MOOD_SD * rng.normal(size=2)
    return np.clip(noted, -1.0, 1.0)


def ceiling(affect: NDArray[np.float64], annotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The CCC (2,), of valence and arousal, that no linear predictor from shown affect can exceed.

    The least-squares prediction of a quantity has CCC 2 R^2 / (1 + R^2): its covariance with the
    quantity is its own variance, R^2 times the quantity's.

    Parameters
    ----------
    affect : (N, 2) what the shapes show
    annotation : (N, 2) what annotators say
    """
    design = np.column_stack([np.ones(len(affect)), affect])
    solution = np.linalg.lstsq(design, annotation, rcond=None)[0]
    residual = annotation - design @ solution
    r_squared: NDArray[np.float64] = 1.0 - residual.var(axis=0) / annotation.var(axis=0)
    return 2 * r_squared / (1 + r_squared)
