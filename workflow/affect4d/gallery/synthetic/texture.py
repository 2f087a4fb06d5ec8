"""Skin, brows, lips, eyes and hair painted on the head's cylinder, a tint of its own a person."""

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from affect4d.random_streams import named_rng
from affect4d.template import ibug68

AXIS_Z = 30.0  # mm, where the cylinder's axis stands
HALF_ANGLE = 2.5  # radians to each side that the texture covers
FINE = 1024  # pixels of the painted texture
_TONES = np.array(
    [(236, 200, 176), (222, 178, 150), (198, 150, 120), (160, 112, 84), (120, 80, 60)]
)
_HAIR = np.array([(38, 28, 22), (70, 48, 32), (112, 78, 46), (30, 30, 32), (96, 88, 82)])
_IRIS = np.array([(84, 58, 36), (70, 96, 112), (78, 92, 60), (60, 44, 30)])


def texture_uv(template):
    """Texture coordinates of the template's vertices: (V, 2) float32, v up."""
    p = template.vertices
    angle = np.arctan2(p[:, 0], p[:, 2] - AXIS_Z)
    low, high = p[:, 1].min(), p[:, 1].max()
    u = 0.5 + np.clip(angle / (2 * HALF_ANGLE), -0.5, 0.5)
    return np.stack([u, (p[:, 1] - low) / (high - low)], axis=1).astype(np.float32)


def paint(template, name, seed):
    """The texture of one person: (FINE, FINE, 3) uint8."""
    rng = named_rng(seed, "texture", name)
    tone, hair = _mixed(_TONES, rng), hair_colour(name, seed)
    landmarks = _pixels(template)
    skin = _skin(tone, landmarks, rng)
    _lips(skin, tone, landmarks, rng)
    _brows(skin, hair, landmarks, rng)
    _eyes(skin, _IRIS[rng.integers(len(_IRIS))], landmarks)
    _hair(skin, hair, landmarks, rng)
    return np.clip(np.rint(skin), 0, 255).astype(np.uint8)


def hair_colour(name, seed):
    """The colour (3,) of one person's hair, 0..255."""
    return 0.9 * _mixed(_HAIR, named_rng(seed, "hair", name))


def _mixed(table, rng):
    first, second = rng.permutation(len(table))[:2]
    share = rng.random() * 0.6
    return (1 - share) * table[first] + share * table[second]


def _pixels(template):
    """The landmarks in the texture, pixels."""
    uv = texture_uv(template)[template.landmark_vertices]
    return np.stack([uv[:, 0] * FINE - 0.5, (1 - uv[:, 1]) * FINE - 0.5], axis=1)


def _clouds(rng, size):
    """Smooth noise (FINE, FINE), unit variance, with features of `size` pixels."""
    coarse = rng.normal(size=(max(3, FINE // size), max(3, FINE // size))).astype(np.float32)
    field = cv2.resize(coarse, (FINE, FINE), interpolation=cv2.INTER_CUBIC)
    return field / field.std()


def _blob(centre, reach):
    y, x = np.mgrid[:FINE, :FINE].astype(np.float32)
    return np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * reach**2))


def _blend(image, colour, mask):
    image += mask[..., None] * (np.asarray(colour, np.float32) - image)


def _polygon(points, blur):
    mask = np.zeros((FINE, FINE), dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), blur)


def _smooth_outline(points, closed=True, count=60):
    """A smooth closed or open curve through points."""
    ring = np.vstack([points, points[:1]]) if closed else points
    spline = CubicSpline(np.arange(len(ring)), ring, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, len(ring) - 1, count))


def _skin(tone, landmarks, rng):
    image = np.tile(tone.astype(np.float32), (FINE, FINE, 1))
    shade = 3.0 * _clouds(rng, 128) + 2.0 * _clouds(rng, 24) + 1.6 * _clouds(rng, 5)
    image += shade[..., None] * np.array([1.0, 0.85, 0.75], dtype=np.float32)
    blush = tone * np.array([1.0, 0.82, 0.8])
    cheeks = (landmarks[ibug68.JAW_BELOW_EARS] + landmarks[ibug68.NOSE_WINGS]) / 2
    for centre, reach, share in (
        (cheeks[0], 42, 0.45),
        (cheeks[1], 42, 0.45),
        (landmarks[ibug68.NOSE_TIP], 20, 0.45),
        (landmarks[ibug68.CHIN], 30, 0.25),
    ):
        _blend(image, blush, share * _blob(centre, reach))
    for eye in (landmarks[outline] for outline in ibug68.EYE_OUTLINES):
        _blend(image, tone * [0.80, 0.74, 0.74], 0.45 * _blob(eye.mean(0) + np.array([0, 6]), 20))
    return image


def _lips(image, tone, landmarks, rng):
    colour = tone * [0.86, 0.60, 0.60] + rng.normal(0, 5, 3)
    outline = _smooth_outline(landmarks[ibug68.OUTER_LIPS])
    _blend(image, colour, 0.8 * _polygon(outline, 2.0))
    line = np.zeros((FINE, FINE), dtype=np.uint8)
    inner = (landmarks[ibug68.UPPER_INNER_LINE] + landmarks[ibug68.LOWER_INNER_LINE]) / 2
    points = np.rint(_smooth_outline(inner, closed=False) * 8).astype(np.int32)
    cv2.polylines(line, [points], False, 255, 2, cv2.LINE_AA, 3)
    dark = cv2.GaussianBlur(line.astype(np.float32) / 255, (0, 0), 1.2)
    _blend(image, colour * 0.45, np.clip(1.3 * dark, 0, 0.85))


def _brows(image, hair, landmarks, rng):
    for brow in (landmarks[ibug68.RIGHT_BROW], landmarks[ibug68.LEFT_BROW]):
        centre = _smooth_outline(brow, closed=False, count=24)
        thick = rng.uniform(5.0, 8.0) * np.sin(np.linspace(0.35, np.pi - 0.35, 24))[:, None]
        outline = np.vstack([centre - [0, 1] * thick, (centre + [0, 1] * thick)[::-1]])
        strands = np.clip(0.75 + 0.2 * _clouds(rng, 4), 0, 1)
        _blend(image, hair, 0.85 * _polygon(outline, 2.2) * strands)


def _eyes(image, iris, landmarks):
    for eye in (landmarks[outline] for outline in ibug68.EYE_OUTLINES):
        outline = _smooth_outline(eye)
        opening = _polygon(outline, 0.7)
        centre = eye.mean(0)
        width = np.linalg.norm(eye[0] - eye[3])
        _blend(image, (232, 226, 220), opening)
        shadow = _polygon(outline - [0, 3], 2.5)
        _blend(image, (150, 140, 136), 0.35 * opening * (1 - shadow))
        y, x = np.mgrid[:FINE, :FINE].astype(np.float32)
        radius = np.hypot(x - centre[0], y - centre[1]) / (0.235 * width)
        _blend(image, iris, opening * np.clip((1.0 - radius) * 5, 0, 1))
        _blend(image, (14, 12, 12), opening * np.clip((0.45 - radius) * 8, 0, 1))
        glint = np.hypot(x - centre[0] - 0.06 * width, y - centre[1] + 0.06 * width)
        _blend(image, (250, 250, 250), opening * np.clip(1.6 - glint / (0.03 * width), 0, 1))
        lashes = np.zeros((FINE, FINE), dtype=np.uint8)
        upper = np.rint(_smooth_outline(eye[:4], closed=False) * 8).astype(np.int32)
        cv2.polylines(lashes, [upper], False, 255, 3, cv2.LINE_AA, 3)
        dark = cv2.GaussianBlur(lashes.astype(np.float32) / 255, (0, 0), 1.0)
        _blend(image, (36, 26, 22), np.clip(1.2 * dark, 0, 0.9))


def _hair(image, hair, landmarks, rng):
    """Short hair above a hairline and behind the temples."""
    y, x = np.mgrid[:FINE, :FINE].astype(np.float32)
    brow = landmarks[ibug68.BROWS, 1].mean()
    height = brow - landmarks[ibug68.NOSE_RIDGE, 1].mean()
    right, left = landmarks[ibug68.JAW_ENDS, 0]
    middle, half = landmarks[ibug68.NASION, 0], (left - right) / 2
    across = np.abs(x - middle) / half
    line = brow + rng.uniform(1.25, 1.55) * height + 14 * _clouds(rng, 40)
    edge = line - 1.5 * height * np.clip(across - 0.55, 0, 0.5) / 0.5 * 0.8
    above = np.clip((edge - y) / 14, 0, 1)
    behind = np.clip((across - 1.5 + 0.03 * _clouds(rng, 30)) * 14, 0, 1) * (
        y < landmarks[ibug68.JAW_BELOW_EARS[0], 1]
    )
    strands = 1.0 + 0.16 * _clouds(rng, 6)
    mask = 0.93 * np.maximum(above, behind)
    _blend(image, hair, mask)
    image *= 1 + mask[..., None] * (strands[..., None] - 1)
