"""Skin, brows, lips, eyes and hair painted on the head's cylinder, in the colours of each person.

Colours are RGB in 0..255, lengths pixels of the painted texture (0.2 mm
high, about 0.4 mm wide), opacities shares. All are chosen by eye.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from affect4d.random_streams import named_rng
from affect4d.template import ibug68
from affect4d.template.template import Template

AXIS_Z = 30.0  # mm, where the cylinder's axis is
HALF_ANGLE = 2.5  # radians to each side that the texture covers
FINE = 1024  # pixels, side of the painted texture
SUBPIXEL_BITS = 3  # of OpenCV's fixed-point coordinates

# Colours between which people's are mixed, and the largest share of the second.
_TONES = np.array(
    [(236, 200, 176), (222, 178, 150), (198, 150, 120), (160, 112, 84), (120, 80, 60)]
)
_HAIR = np.array([(38, 28, 22), (70, 48, 32), (112, 78, 46), (30, 30, 32), (96, 88, 82)])
_IRIS = np.array([(84, 58, 36), (70, 96, 112), (78, 92, 60), (60, 44, 30)])
MAX_MIX = 0.6
HAIR_BRIGHTNESS = 0.9  # hair is darker than its strands

# Skin: (feature size, amplitude) of its clouds and their share per channel; colours relative to
# the tone; (standard deviation, opacity) of the blush on cheeks, nose and chin, and of the sockets.
SKIN_CLOUDS = ((128, 3.0), (24, 2.0), (5, 1.6))
SKIN_TINT = (1.0, 0.85, 0.75)
BLUSH_TINT, CHEEK, NOSE, CHIN = (1.0, 0.82, 0.8), (42, 0.45), (20, 0.45), (30, 0.25)
SOCKET_TINT, SOCKET, SOCKET_BELOW = (0.80, 0.74, 0.74), (20, 0.45), 6

# Lips: colour relative to the tone and its deviation; opacity and blur; the line between them.
LIP_TINT, LIP_SD, LIP_OPACITY, LIP_BLUR = (0.86, 0.60, 0.60), 5, 0.8, 2.0
LIP_LINE_BRIGHTNESS, LIP_LINE_WIDTH, LIP_LINE_BLUR = 0.45, 2, 1.2
LIP_LINE_GAIN, LIP_LINE_OPACITY = 1.3, 0.85

# Brows: half thickness from and to, phase of the sine at which they taper, points of an outline.
BROW_THICKNESS, BROW_TAPER, BROW_POINTS = (5.0, 8.0), 0.35, 24
BROW_STRANDS = (4, 0.75, 0.2)  # feature size, mean and amplitude of their opacity
BROW_OPACITY, BROW_BLUR = 0.85, 2.2

# Eyes: colours, blurs, and sizes relative to the eye's width; slopes are 1 / width of soft edges.
SCLERA, EYE_BLUR = (232, 226, 220), 0.7
LID_SHADOW, LID_SHADOW_OPACITY, LID_SHADOW_BLUR, LID_SHADOW_SHIFT = (150, 140, 136), 0.35, 2.5, 3
IRIS_RADIUS, IRIS_SLOPE = 0.235, 5
PUPIL, PUPIL_SHARE, PUPIL_SLOPE = (14, 12, 12), 0.45, 8  # share of the iris's radius
GLINT, GLINT_SHIFT, GLINT_RADIUS, GLINT_GAIN = (250, 250, 250), 0.06, 0.03, 1.6
LASHES, LASH_WIDTH, LASH_BLUR, LASH_GAIN, LASH_OPACITY = (36, 26, 22), 3, 1.0, 1.2, 0.9

# Hair: the hairline above the brows in heights from brows to nose ridge; the temples in half
# breadths of the face; feature size and amplitude of the waves in each edge and of the strands.
HAIRLINE, HAIRLINE_SIZE, HAIRLINE_WAVES, HAIR_SOFT = (1.25, 1.55), 40, 14, 14
TEMPLE, TEMPLE_WIDTH, TEMPLE_DROP, TEMPLE_STRENGTH = 0.55, 0.5, 1.5, 0.8
BEHIND, BEHIND_SIZE, BEHIND_WAVES, BEHIND_SLOPE = 1.5, 30, 0.03, 14
STRAND_SIZE, STRAND_CONTRAST, HAIR_OPACITY = 6, 0.16, 0.93

Image = NDArray[np.float32]
Points = NDArray[np.floating]


def texture_uv(template: Template) -> NDArray[np.float32]:
    """Texture coordinates of the template's vertices: (V, 2), v up."""
    p = template.vertices
    angle = np.arctan2(p[:, 0], p[:, 2] - AXIS_Z)
    low, high = p[:, 1].min(), p[:, 1].max()
    u = 0.5 + np.clip(angle / (2 * HALF_ANGLE), -0.5, 0.5)
    return np.stack([u, (p[:, 1] - low) / (high - low)], axis=1).astype(np.float32)


def paint(template: Template, name: str, seed: int) -> NDArray[np.uint8]:
    """The texture of one person: (FINE, FINE, 3)."""
    rng = named_rng(seed, "texture", name)
    tone, hair = _mixed(_TONES, rng), hair_colour(name, seed)
    landmarks = _pixels(template)
    image = _skin(tone, landmarks, rng)
    _lips(image, tone, landmarks, rng=rng)
    _brows(image, hair, landmarks, rng=rng)
    _eyes(image, _IRIS[rng.integers(len(_IRIS))], landmarks)
    _hair(image, hair, landmarks, rng=rng)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def hair_colour(name: str, seed: int) -> NDArray[np.float64]:
    """The colour (3,) of one person's hair."""
    return HAIR_BRIGHTNESS * _mixed(_HAIR, named_rng(seed, "hair", name))


def _mixed(table: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    first, second = rng.permutation(len(table))[:2]
    share = rng.random() * MAX_MIX
    mixed: NDArray[np.float64] = (1 - share) * table[first] + share * table[second]
    return mixed


def _pixels(template: Template) -> Points:
    """The landmarks (68, 2) in the texture, pixels."""
    uv = texture_uv(template)[template.landmark_vertices]
    return np.stack([uv[:, 0] * FINE - 0.5, (1 - uv[:, 1]) * FINE - 0.5], axis=1)


def _grid() -> NDArray[np.float32]:
    """Row and column of every pixel: (2, FINE, FINE)."""
    return np.mgrid[:FINE, :FINE].astype(np.float32)


def _clouds(rng: np.random.Generator, size: int) -> Image:
    """Smooth noise (FINE, FINE), unit variance, with features of `size` pixels."""
    count = max(3, FINE // size)
    coarse = rng.normal(size=(count, count)).astype(np.float32)
    field = cv2.resize(coarse, (FINE, FINE), interpolation=cv2.INTER_CUBIC)
    clouds: Image = field / field.std()
    return clouds


def _blob(centre: Points, sd: float) -> NDArray[np.floating]:
    y, x = _grid()
    blob: NDArray[np.floating] = np.exp(
        -((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sd**2)
    )
    return blob


def _blend(image: Image, colour: ArrayLike, opacity: NDArray[np.floating]) -> None:
    image += opacity[..., None] * (np.asarray(colour, np.float32) - image)


def _fixed_point(points: Points) -> NDArray[np.int32]:
    """Points as OpenCV's drawing takes them, with SUBPIXEL_BITS."""
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _polygon(outline: Points, blur: float) -> Image:
    """Coverage (FINE, FINE) of the inside of an outline, blurred."""
    mask = np.zeros((FINE, FINE), dtype=np.uint8)
    cv2.fillPoly(mask, [_fixed_point(outline)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return _blurred(mask, blur)


def _stroke(line: Points, width: int, blur: float) -> Image:
    """Coverage (FINE, FINE) of a line, blurred."""
    mask = np.zeros((FINE, FINE), dtype=np.uint8)
    cv2.polylines(mask, [_fixed_point(line)], False, 255, width, cv2.LINE_AA, SUBPIXEL_BITS)
    return _blurred(mask, blur)


def _blurred(mask: NDArray[np.uint8], sd: float) -> Image:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sd), np.float32)


def _smooth_outline(points: Points, *, closed: bool = True, count: int = 60) -> Points:
    """`count` points of a smooth closed or open curve through points (N, 2)."""
    ring = np.vstack([points, points[:1]]) if closed else points
    spline = CubicSpline(np.arange(len(ring)), ring, bc_type="periodic" if closed else "natural")
    curve: Points = spline(np.linspace(0, len(ring) - 1, count))
    return curve


def _skin(tone: NDArray[np.float64], landmarks: Points, rng: np.random.Generator) -> Image:
    image = np.tile(tone.astype(np.float32), (FINE, FINE, 1))
    (large, high), (medium, middle), (small, low) = SKIN_CLOUDS
    shade = high * _clouds(rng, large) + middle * _clouds(rng, medium) + low * _clouds(rng, small)
    image += shade[..., None] * np.array(SKIN_TINT, dtype=np.float32)
    cheeks = (landmarks[ibug68.JAW_BELOW_EARS] + landmarks[ibug68.NOSE_WINGS]) / 2
    for centre, (sd, opacity) in (
        (cheeks[0], CHEEK),
        (cheeks[1], CHEEK),
        (landmarks[ibug68.NOSE_TIP], NOSE),
        (landmarks[ibug68.CHIN], CHIN),
    ):
        _blend(image, tone * BLUSH_TINT, opacity * _blob(centre, sd))
    sd, opacity = SOCKET
    for eye in (landmarks[outline] for outline in ibug68.EYE_OUTLINES):
        blob = _blob(eye.mean(0) + np.array([0, SOCKET_BELOW]), sd)
        _blend(image, tone * SOCKET_TINT, opacity * blob)
    return image


def _lips(
    image: Image, tone: NDArray[np.float64], landmarks: Points, *, rng: np.random.Generator
) -> None:
    colour = tone * LIP_TINT + rng.normal(0, LIP_SD, 3)
    outline = _smooth_outline(landmarks[ibug68.OUTER_LIPS])
    _blend(image, colour, LIP_OPACITY * _polygon(outline, LIP_BLUR))
    inner = (landmarks[ibug68.UPPER_INNER_LINE] + landmarks[ibug68.LOWER_INNER_LINE]) / 2
    dark = _stroke(_smooth_outline(inner, closed=False), LIP_LINE_WIDTH, LIP_LINE_BLUR)
    opacity = np.clip(LIP_LINE_GAIN * dark, 0, LIP_LINE_OPACITY)
    _blend(image, colour * LIP_LINE_BRIGHTNESS, opacity)


def _brows(
    image: Image, hair: NDArray[np.float64], landmarks: Points, *, rng: np.random.Generator
) -> None:
    size, mean, amplitude = BROW_STRANDS
    phase = np.linspace(BROW_TAPER, np.pi - BROW_TAPER, BROW_POINTS)
    for brow in (landmarks[ibug68.RIGHT_BROW], landmarks[ibug68.LEFT_BROW]):
        centre = _smooth_outline(brow, closed=False, count=BROW_POINTS)
        thick = rng.uniform(*BROW_THICKNESS) * np.sin(phase)[:, None]
        outline = np.vstack([centre - [0, 1] * thick, (centre + [0, 1] * thick)[::-1]])
        strands = np.clip(mean + amplitude * _clouds(rng, size), 0, 1)
        _blend(image, hair, BROW_OPACITY * _polygon(outline, BROW_BLUR) * strands)


def _eyes(image: Image, iris: NDArray[np.int64], landmarks: Points) -> None:
    for eye in (landmarks[outline] for outline in ibug68.EYE_OUTLINES):
        outline = _smooth_outline(eye)
        opening = _polygon(outline, EYE_BLUR)
        centre = eye.mean(0)
        width = np.linalg.norm(eye[0] - eye[3])
        _blend(image, SCLERA, opening)
        shadow = _polygon(outline - [0, LID_SHADOW_SHIFT], LID_SHADOW_BLUR)
        _blend(image, LID_SHADOW, LID_SHADOW_OPACITY * opening * (1 - shadow))
        y, x = _grid()
        radius = np.hypot(x - centre[0], y - centre[1]) / (IRIS_RADIUS * width)
        _blend(image, iris, opening * np.clip((1.0 - radius) * IRIS_SLOPE, 0, 1))
        _blend(image, PUPIL, opening * np.clip((PUPIL_SHARE - radius) * PUPIL_SLOPE, 0, 1))
        shift = GLINT_SHIFT * width
        glint = np.hypot(x - centre[0] - shift, y - centre[1] + shift) / (GLINT_RADIUS * width)
        _blend(image, GLINT, opening * np.clip(GLINT_GAIN - glint, 0, 1))
        dark = _stroke(_smooth_outline(eye[:4], closed=False), LASH_WIDTH, LASH_BLUR)
        _blend(image, LASHES, np.clip(LASH_GAIN * dark, 0, LASH_OPACITY))


def _hair(
    image: Image, hair: NDArray[np.float64], landmarks: Points, *, rng: np.random.Generator
) -> None:
    """Short hair above a hairline and behind the temples."""
    y, x = _grid()
    brow = landmarks[ibug68.BROWS, 1].mean()
    height = brow - landmarks[ibug68.NOSE_RIDGE, 1].mean()
    right, left = landmarks[ibug68.JAW_ENDS, 0]
    middle, half = landmarks[ibug68.NASION, 0], (left - right) / 2
    across = np.abs(x - middle) / half
    line = brow + rng.uniform(*HAIRLINE) * height + HAIRLINE_WAVES * _clouds(rng, HAIRLINE_SIZE)
    beyond = np.clip(across - TEMPLE, 0, TEMPLE_WIDTH)
    edge = line - TEMPLE_DROP * height * beyond / TEMPLE_WIDTH * TEMPLE_STRENGTH
    above = np.clip((edge - y) / HAIR_SOFT, 0, 1)
    outside = across - BEHIND + BEHIND_WAVES * _clouds(rng, BEHIND_SIZE)
    behind = np.clip(outside * BEHIND_SLOPE, 0, 1)
    behind = behind * (y < landmarks[ibug68.JAW_BELOW_EARS[0], 1])
    strands = 1.0 + STRAND_CONTRAST * _clouds(rng, STRAND_SIZE)
    opacity = HAIR_OPACITY * np.maximum(above, behind)
    _blend(image, hair, opacity)
    image *= 1 + opacity[..., None] * (strands[..., None] - 1)
