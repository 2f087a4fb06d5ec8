"""Photographs of the heads of `truth_heads.py`: a textured raster before a pinhole camera.

Skin, brows, lips and hairline are the gallery's paint, on a texture of the person's own; eyeballs,
teeth, tongue and the socket of the mouth are surfaces of their own, darker the deeper they lie. A
sitting is a person's camera, light and background: one of its photographs shows the neutral face,
another an expression, all else alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation
from truth_heads import PARTS, SEED

from affect4d.formats.facekit import LANDMARKS
from affect4d.gallery.synthetic.texture import hair_colour, paint, texture_uv
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.random_streams import named_rng

SIZE, SUPERSAMPLE = 400, 3
CENTRE_MM = np.array([0.0, 0.0, 50.0])  # of the head, in the middle of the picture
SCALE = (1.3, 1.5)  # pixels a mm there
DISTANCE_MM = (600.0, 1600.0)
PITCH_SD, ROLL_SD = 3.0, 2.0  # degrees
NOISE = 0.01  # of landmarks, inter-ocular distances of the picture
JAW, EYES = 17, (36, 45)
HIDDEN_MM = 6.0  # a landmark of the jaw farther behind the surface lies beyond the outline
EYE_MM, IRIS_MM, PUPIL_MM = 15.0, 5.9, 2.2  # radii
COLLAR_MM = -128.0
HAIR_MM, FRINGE_MM = 9.0, 5.0  # how far hair stands off, and over which its edge thins out
LIPS_MM, DARKNESS_MM = 108.0, 45.0  # depth where the mouth begins, and over which its light fades
EYEBALLS = ("left eye", "right eye")
COLOURS = {"socket": (96, 38, 38), "gums": (176, 92, 92), "teeth": (226, 216, 198)}
IRISES = np.array([(92, 62, 38), (74, 100, 118), (82, 94, 60), (60, 42, 30)])


@dataclass(frozen=True)
class Sitting:
    """Camera, light and background before which a person sits.

    Attributes
    ----------
    rotation : (3, 3), the head's frame to the viewer's
    distance : float, mm; scale : float, pixels a mm, at the head's middle
    light : (3,) unit vector; ambient : float, share of light from everywhere
    background : (H, W, 3) float32, supersampled
    """

    rotation: np.ndarray
    distance: float
    scale: float
    light: np.ndarray
    ambient: float
    background: np.ndarray

    def project(self, points):
        """Points (N, 3) mm: x right, y down in pixels, then nearness, linear over a plane."""
        x, y, z = ((np.asarray(points) - CENTRE_MM) @ self.rotation.T).T
        near = self.distance / (self.distance - z)
        middle = (SIZE - 1) / 2
        return np.stack(
            [middle + self.scale * near * x, middle - self.scale * near * y, near], axis=1
        )


@dataclass(frozen=True)
class Photograph:
    """What a camera sees of a head.

    Attributes
    ----------
    image : (SIZE, SIZE, 3) uint8
    face : (SIZE, SIZE) bool, pixels of the face, eyes and open mouth included; no ears, no neck
    landmarks : (68, 2) float64, pixels, exact
    """

    image: np.ndarray
    face: np.ndarray
    landmarks: np.ndarray


def sit(name, yaw):
    """The Sitting of that name, the head turned by `yaw` degrees."""
    rng = named_rng(SEED, "truth sitting", name)
    pitch, roll = rng.normal(size=2) * [PITCH_SD, ROLL_SD]
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.2, 0.6), 1.0])
    return Sitting(
        Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True).as_matrix(),
        float(np.exp(rng.uniform(*np.log(DISTANCE_MM)))),
        rng.uniform(*SCALE),
        light / np.linalg.norm(light),
        rng.uniform(0.42, 0.55),
        _background(rng),
    )


def _background(rng):
    """Clouds of several sizes, as of a background out of focus."""
    side = SIZE * SUPERSAMPLE
    picture = np.zeros((side, side, 3), np.float32) + rng.uniform(60, 190)
    for count, grey, colour in ((4, 22, 6), (14, 12, 3), (50, 6, 1)):
        coarse = rng.normal(0, grey, (count, count, 1)) + rng.normal(0, colour, (count, count, 3))
        picture += cv2.resize(
            coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
        )
    return np.clip(picture, 10, 245)


class Photographer:
    """Takes the photographs of one person.

    Parameters
    ----------
    heads : truth_heads.Heads
    name : str, the person's
    """

    def __init__(self, heads, name):
        self.heads, self.name = heads, name
        rng = named_rng(SEED, "truth looks", name)
        self.texture = paint(heads.skin, name, SEED).astype(np.float32)
        self.iris = IRISES[rng.integers(len(IRISES))] * rng.uniform(0.8, 1.2)
        self.hair = hair_colour(name, SEED)
        self.strands = _strands(rng)
        self.fringe = rng.uniform(30.0, 40.0)
        self.clothes = rng.uniform(25, 150) + rng.uniform(-25, 25, 3)
        self._uv = np.zeros((len(heads.neutral), 2), np.float32)
        count = len(heads.skin.vertices)
        self._uv[:count] = texture_uv(heads.skin)
        outwards = vertex_normals(heads.neutral, heads.weld[heads.triangles])[heads.weld]
        cover = np.zeros((len(heads.neutral), 1))
        cover[:count, 0] = self._hair(heads.neutral[:count])
        self._volume = HAIR_MM * cover * outwards

    def take(self, head, sitting):
        """The Photograph of a head (N, 3) mm."""
        heads, side = self.heads, SIZE * SUPERSAMPLE
        head = head + self._volume
        seen = sitting.project(head)
        xy = (seen[:, :2] + 0.5) * SUPERSAMPLE - 0.5
        ids, weights = rasterise(xy, 1e3 * seen[:, 2], heads.triangles, shape=(side, side))
        albedo, shine = self._albedo(ids, weights)
        normals = vertex_normals(head, heads.weld[heads.triangles])[heads.weld]
        normals = interpolate(normals @ sitting.rotation.T, heads.triangles, (ids, weights))
        picture = albedo * _diffuse(normals, sitting) + _gloss(normals, sitting, shine)
        picture = np.where(ids[..., None] >= 0, picture, sitting.background)
        small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        middle = SUPERSAMPLE // 2
        return Photograph(
            np.clip(np.rint(small), 0, 255).astype(np.uint8),
            heads.narrow[ids[middle::SUPERSAMPLE, middle::SUPERSAMPLE]],
            self._landmarks(head, sitting, ids, weights, xy),
        )

    def _albedo(self, ids, weights):
        """Colours (H, W, 3) float32 without light, and how they shine (H, W, 1)."""
        heads = self.heads
        uv = interpolate(self._uv, heads.triangles, (ids, weights))
        height, width = self.texture.shape[:2]
        place = np.stack([uv[..., 0] * width, (1 - uv[..., 1]) * height], axis=-1) - np.float32(0.5)
        colours = cv2.remap(self.texture, place, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        rest = interpolate(heads.neutral, heads.triangles, (ids, weights))
        part = np.where(ids >= 0, heads.part[ids], -1)
        shine = np.full((*ids.shape, 1), 14.0, np.float32)
        grain = cv2.remap(self.strands, place, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        skin = (part >= 0) & (part <= list(PARTS).index("head"))
        cover = (skin * np.clip(self._hair(rest + 4.0 * grain[..., None]), 0, 1))[..., None]
        colours += cover * (self.hair * (1 + 0.2 * grain[..., None]) - colours)
        colours[rest[..., 1] < COLLAR_MM - 0.002 * rest[..., 0] ** 2] = self.clothes
        fade = np.clip(1 - (LIPS_MM - rest[..., 2:]) / DARKNESS_MM, 0.12, 1)
        for number, name in enumerate(PARTS):
            own = part == number
            if name in COLOURS:
                colours[own] = fade[own] * np.array(COLOURS[name])
                shine[own] = 10.0 * fade[own]
            elif name in EYEBALLS and own.any():
                first, end = PARTS[name]
                colours[own] = self._eye(rest[own], heads.neutral[first:end])
                shine[own] = 60.0
        return colours, shine

    def _hair(self, points):
        """How much hair (...) there is at places (..., 3) of the head at rest, 0 to 1."""
        x, y, z = np.moveaxis(points, -1, 0)
        brow = self.heads.neutral[LANDMARKS[17:27], 1].mean()
        top = y - brow - self.fringe + 0.004 * x**2
        temples = np.minimum(22.0 + 0.5 * (y - brow) - z, y - 44.0)
        nape = np.minimum(-30.0 - z, y + 40.0)
        return np.clip(np.maximum(np.maximum(top, temples), nape) / FRINGE_MM, 0, 1)

    def _eye(self, points, eyeball):
        """Colours (n, 3) of places on an eyeball, at rest."""
        low, high = eyeball.min(0), eyeball.max(0)
        centre = (low + high) / 2
        centre[2] = low[2] + EYE_MM
        aside = np.linalg.norm(points[:, :2] - centre[:2], axis=1)[:, None]
        colours = np.array([228.0, 222.0, 216.0]) - 2.0 * np.clip(aside - 6, 0, None)
        rings = ((IRIS_MM, 0.5 * self.iris), (IRIS_MM - 0.7, self.iris), (PUPIL_MM, (12, 10, 10)))
        for radius, colour in rings:
            colours += np.clip(2 * (radius - aside), 0, 1) * (np.array(colour) - colours)
        return colours

    def _landmarks(self, head, sitting, ids, weights, xy):
        """The landmarks' pixels; the jaw's that the head hides move sideways to its outline."""
        depth = interpolate(head @ sitting.rotation[2], self.heads.triangles, (ids, weights))[
            ..., 0
        ]
        outline = self.heads.narrow[ids]
        marks = xy[LANDMARKS].copy()
        behind = head[LANDMARKS] @ sitting.rotation[2] + HIDDEN_MM
        for k in np.delete(np.arange(JAW), JAW // 2):
            column, row = np.rint(marks[k]).astype(int)
            if ids[row, column] < 0 or depth[row, column] > behind[k]:
                across = np.flatnonzero(outline[row])
                marks[k, 0] = across[0] if k < JAW // 2 else across[-1]
        return (marks + 0.5) / SUPERSAMPLE - 0.5


def _strands(rng):
    """Noise of a texture's size, unit variance, drawn out as hair is."""
    side = 1024
    strands = np.zeros((side, side), np.float32)
    for across, down in ((400, 40), (150, 20)):
        coarse = rng.normal(size=(down, across)).astype(np.float32)
        strands += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return strands / strands.std()


def noisy(landmarks, *names):
    """Landmarks (68, 2) as somebody marks them, with an error of his own for each name."""
    size = np.linalg.norm(np.subtract(*landmarks[list(EYES)]))
    rng = named_rng(SEED, "truth landmarks", *names)
    return landmarks + NOISE * size * rng.normal(size=landmarks.shape)


def _diffuse(normals, sitting):
    """Light (H, W, 1) from one side, softened as skin softens it, and from everywhere."""
    length = np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    facing = (normals / length) @ sitting.light
    soft = np.clip((facing + 0.3) / 1.3, 0, 1)[..., None]
    return sitting.ambient + (1.04 - sitting.ambient) * soft


def _gloss(normals, sitting, shine):
    """What the surface mirrors of the light (H, W, 1), by Blinn's half vector."""
    length = np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    half = sitting.light + np.array([0.0, 0.0, 1.0])
    towards = np.clip((normals / length) @ (half / np.linalg.norm(half)), 0, 1)[..., None]
    return shine * towards**28
