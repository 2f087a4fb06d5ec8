"""Clips of synthetic people in the wild: where no such database is at hand.

The people are none of the gallery's and none of the portraits'. Lights, poses, backgrounds, cameras
and occluders are others than the portraits', and the head turns during a clip. Annotators see what
the gallery's see: late, drifting, and a mood that no face shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from affect4d.gallery.synthetic.affect import annotate, intensities, with_twitches
from affect4d.gallery.synthetic.model import Model
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.people import Person, make_person
from affect4d.gallery.synthetic.portraits import (
    SIZE,
    SUPERSAMPLE,
    Setting,
    photograph_landmarks,
    render_photograph,
)
from affect4d.gallery.synthetic.sequences import CORRELATION_FRAMES, wander
from affect4d.gallery.synthetic.texture import hair_colour, paint
from affect4d.random_streams import named_rng

# Everything below is chosen by eye, wider than in the portraits so that the two sets differ.
# Length of a clip, s, as the gallery's sequences: with fewer frames they are farther apart, so that
# annotators are late by the same part of a movement. Standard deviation of their slow error.
CLIP_S, ANNOTATION_NOISE = 10.0, 0.12
YAW_SD, PITCH_SD, ROLL_SD = 8.0, 4.0, 4.0  # degrees, of a clip's mean pose
TURN_SD, TURN_FRAMES = 3.0, 6.0  # degrees of the movement within a clip, and its correlation time
LIGHT_X, LIGHT_Y, AMBIENT = (-1.0, 1.0), (-0.2, 0.9), (0.3, 0.5)  # from and to, as the portraits'
GREY, PATCHES, PATCH_SD = (60, 200), (12, 9), 25  # background: mean, patches across and down
CLOTHES = (25, 150)  # of each channel
CAST_SD = 0.03  # of the logarithm of each channel's gain: coloured light
GAMMA = (0.85, 1.2)  # of the camera, from and to
BLUR_PX, NOISE_SD = (0.3, 1.5), (1.0, 5.0)  # of the camera: pixels, grey levels; from and to
JPEG_QUALITY = (40, 90)  # from and to
OCCLUDED_SHARE = 0.15  # of the clips in which something covers a part of the face
OCCLUDER_RADII, OCCLUDER_REACH = (25, 60), 0.2  # pixels, from and to; of the photograph's side


@dataclass(frozen=True)
class Clip:
    """A clip as a camera and annotators give it.

    Attributes
    ----------
    name : its number, three digits
    person : the name of who is in it
    images : (T, H, W, 3)
    landmarks : (T, 68, 2) pixels counted from 0
    affect : (T, 2) annotated valence and arousal, in [-1, 1]
    """

    name: str
    person: str
    images: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    affect: NDArray[np.float64]


def film_clips(model: Model, *, sizes: tuple[int, int, int], seed: int) -> Iterator[Clip]:
    """Render clips, person by person.

    Parameters
    ----------
    model : the generator of a build
    sizes : numbers of people, of clips per person, of frames per clip
    seed : of people, clips and cameras
    """
    people, clips, length = sizes
    for number in range(people):
        name = f"w{number + 1:03d}"
        person = make_person(name, len(model.identity), seed)
        texture, hair = paint(model.template, name, seed), hair_colour(name, seed)
        for clip in range(clips):
            video = f"{number * clips + clip + 1:03d}"
            actor = _Actor(model, person, texture, hair)
            images, landmarks, affect = _film(actor, video, length=length, seed=seed)
            yield Clip(video, f"Wild {name[1:]}", images, landmarks, affect)


@dataclass(frozen=True)
class _Actor:
    """A person, with the generator, and texture and hair painted once for all clips."""

    model: Model
    person: Person
    texture: NDArray[np.uint8]
    hair: NDArray[np.float64]


def _film(
    actor: _Actor, video: str, *, length: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Render a clip: its images, landmarks and annotations, as of `Clip`."""
    model, person, rng = actor.model, actor.person, named_rng(seed, "wild", video)
    affect, noted = clip_affect(int(video), length, rng)
    shown = intensities(affect)
    noise = smooth_noise(rng, length, CORRELATION_FRAMES, channels=shown.shape[1])
    shown = with_twitches(shown, noise) * person.gains
    faces = model.neutral(person.identity) + model.expressions(shown, person.asymmetry)
    settings = _settings(rng, actor.hair, length)
    camera = _Camera(rng)
    images, landmarks = [], []
    for face, setting in zip(faces, settings, strict=True):
        image = render_photograph(model, face, actor.texture, setting=setting)
        images.append(camera.record(image))
        landmarks.append(photograph_landmarks(model.template, face, setting))
    return np.array(images), np.array(landmarks), noted


def clip_affect(
    number: int, length: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Valence and arousal that a clip's face shows, and what annotators say: (T, 2) each."""
    shown = wander(length, number, rng)
    return shown, annotate(shown, rng, frame_rate=length / CLIP_S, noise=ANNOTATION_NOISE)


def _settings(rng: np.random.Generator, hair: NDArray[np.float64], length: int) -> list[Setting]:
    """One setting per frame: the same light and background, another pose."""
    light = np.array([rng.uniform(*LIGHT_X), rng.uniform(*LIGHT_Y), 1.0])
    side, mean = SIZE * SUPERSAMPLE, rng.uniform(*GREY)
    patches = np.clip(rng.normal(mean, PATCH_SD, (*PATCHES, 3)), 0, 255).astype(np.float32)
    angles = rng.normal(size=3) * [PITCH_SD, YAW_SD, ROLL_SD]
    angles = angles + TURN_SD * smooth_noise(rng, length, TURN_FRAMES, channels=3)
    first = Setting(
        rotation=np.eye(3),
        light=light / np.linalg.norm(light),
        ambient=rng.uniform(*AMBIENT),
        background=np.asarray(cv2.resize(patches, (side, side)), np.float32),
        hair=hair,
        clothes=rng.uniform(*CLOTHES, 3),
    )
    turns = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return [replace(first, rotation=turn) for turn in turns]


class _Camera:
    """What a clip's camera makes of what is in front of it, and what stands in its way."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._gain = np.exp(rng.normal(0, CAST_SD, 3))
        self._gamma, self._blur = rng.uniform(*GAMMA), rng.uniform(*BLUR_PX)
        self._noise, self._quality = rng.uniform(*NOISE_SD), int(rng.integers(*JPEG_QUALITY))
        self._occluder = _occluder(rng) if rng.random() < OCCLUDED_SHARE else None

    def record(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A photograph (H, W, 3) as this camera gives it."""
        light = image.copy()
        if self._occluder is not None:
            centre, axes, angle, colour = self._occluder
            cv2.ellipse(light, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
        exposed = 255 * (np.clip(light * self._gain, 0, 255) / 255) ** self._gamma
        seen = cv2.GaussianBlur(exposed, (0, 0), self._blur)
        seen = np.clip(np.rint(seen + self._rng.normal(0, self._noise, seen.shape)), 0, 255)
        parameters = [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        _, encoded = cv2.imencode(".jpg", seen.astype(np.uint8), parameters)
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _occluder(
    rng: np.random.Generator,
) -> tuple[tuple[int, int], tuple[int, int], float, tuple[int, ...]]:
    """An ellipse somewhere over the face: centre, half axes (pixels), angle (degrees), colour."""
    x, y = (SIZE * (0.5 + rng.uniform(-OCCLUDER_REACH, OCCLUDER_REACH, 2))).astype(int).tolist()
    wide, high = rng.integers(*OCCLUDER_RADII, 2).tolist()
    return (x, y), (wide, high), rng.uniform(0, 180), tuple(rng.integers(0, 255, 3).tolist())
