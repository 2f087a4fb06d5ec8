"""The inside of an opened mouth, which the photograph of a closed one does not show.

Small openings stretch what the photograph shows between the lips. Larger ones get two rows of
teeth (the upper fixed to the head, the lower to the jaw), a tongue and a socket as simple shaded
surfaces, lit to match the photograph. Sizes are those of adult dental arches.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numba
import numpy as np

from affect4d.geometry.raster import draw, interpolate, rasterise
from affect4d.synthesis.editing.lighting import LUMINANCE
from affect4d.synthesis.editing.scene import facing
from affect4d.template.ibug68 import (
    CHIN,
    EYES,
    INNER_MOUTH_CORNERS,
    LOWER_INNER_LIP,
    LOWER_LIP,
    MOUTH,
    NOSE_BASE,
    OUTER_LIPS,
    UPPER_INNER_LIP,
    UPPER_LIP,
)

BEHIND_LIPS_MM = 6.0
ARCH_MM = (27.0, 38.0)  # half width and depth of the upper dental arch
ARCH_DEGREES = 80.0
LOWER_ARCH = 0.9  # the lower arch closes inside the upper
# About the line of the closed lips: below it the upper teeth end, by the mean of women and men of
# what parted lips show (Vig & Brundo, J. Prosthet. Dent. 1978); crowns of central incisors are 10.5
# and 9 mm long (Nelson, Wheeler's Dental Anatomy), and the upper overlap the lower by 2 mm.
UPPER_EDGE_MM, UPPER_NECK_MM, UPPER_TOP_MM = -2.5, 8.0, 16.0
LOWER_EDGE_MM, LOWER_NECK_MM, LOWER_BOTTOM_MM = -0.3, -9.3, -17.0
UPPER_WIDTHS_MM = (8.5, 6.6, 7.6, 7.0, 6.8, 9.5, 9.5)
LOWER_WIDTHS_MM = (5.3, 5.8, 6.8, 7.0, 7.0, 10.5, 10.5)
TONGUE_CENTRE_MM, TONGUE_RADII_MM = (0.0, -5.5, -19.0), (20.0, 13.5, 16.0)
LOWER_LIGHT = 0.8  # of what the upper teeth get
LIGHT_DEPTH_MM = 17.0  # light falls by e this far into the mouth
SHADOW_MM, LEAST_LIGHT = 1.6, 0.8  # and is dimmed this close to the lips, to this share
ROLL_MM = 1.5  # over which a lip that rolls inwards darkens by e
TOOTH, GUM, TONGUE, SOCKET, LIP = range(5)
OPEN_MM = 80.0  # across a wide open mouth
LARGEST = 480  # samples across it beyond which one a pixel does
FEW, MANY, WIDE = 121, 241, 3.0  # columns of a row of teeth, below and above so many samples a mm


@dataclass(frozen=True)
class _Patch:
    """A supersampled rectangle of the picture: patch = factor * (picture - origin + .5) - .5."""

    left: int
    top: int
    width: int
    height: int
    factor: int

    def apply(self, xy):
        return (xy - np.array([self.left, self.top], np.float32) + 0.5) * self.factor - 0.5

    @property
    def shape(self):
        return self.height * self.factor, self.width * self.factor


@dataclass(frozen=True)
class _Layer:
    """What moves as one behind the lips, drawn once where the photograph has it.

    left, top : int, samples, its place in the supersampled picture
    kinds : (h, w) uint8; tones, depth : (h, w) float32, depth -inf where nothing is
    """

    left: int
    top: int
    kinds: np.ndarray
    tones: np.ndarray
    depth: np.ndarray


class Mouth:
    """The mouth of one Scene.

    Parameters
    ----------
    scene : Scene
    front : Front of it
    far : (H, W) bool, pixels that stay as they are
    settings : affect4d.config.synthesis.Settings
    """

    def __init__(self, scene, front, far, settings):
        self.scene, self.front, self.far, self.settings = scene, front, far, settings
        self._lips = front.landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP]]
        self._before = self._opening_of(front.xy[self._lips])

    @cached_property
    def _factor(self):
        """Samples a pixel, along either axis."""
        return int(np.clip(LARGEST // (OPEN_MM * self.scene.scale), 1, 2))

    @cached_property
    def _layers(self):
        """What the head and what the jaw carry behind the lips."""
        samples = self.scene.scale * self._factor
        return [
            _layer(self.scene, part, self._factor)
            for part in _proxy(FEW if samples < WIDE else MANY)
        ]

    @cached_property
    def _palette(self):
        """(5, 3) float32, colours of TOOTH, GUM, TONGUE, SOCKET and LIP in the photograph."""
        skin, red = _exposure(self.scene)
        luminance = skin @ LUMINANCE
        light = 0.7 * luminance * np.array([1.03, 1.0, 0.92], np.float32) + 0.3 * skin
        tooth = min(1.35, 235.0 / max(float(light.max()), 1.0)) * light
        pink = 0.5 * skin * np.array([1.0, 0.75, 0.75], np.float32) + 0.5 * red
        return np.stack([tooth, 0.8 * pink, 0.75 * pink, 0.17 * red, red]).astype(np.float32)

    def _opening_of(self, lips):
        """Mean distance of the inner lips, the upper's points and the lower's (2 n, 2), pixels."""
        apart = lips[: len(UPPER_INNER_LIP)] - lips[len(UPPER_INNER_LIP) :]
        return float(np.hypot(apart[:, 0], apart[:, 1]).mean())

    def opens(self, motion):
        """Whether the opening grew beyond what stretching the photograph's own interior bears."""
        gap = self.settings.mouth_gap * self.scene.inter_ocular
        least = max(self.settings.mouth_ratio * self._before, self._before + gap)
        return self._opening_of(motion.moved(self._lips)[0]) >= least

    def draw(self, image, motion, deformation):
        """Draw the mouth's interior into a moved photograph.

        Parameters
        ----------
        image : (H, W, 3) uint8, the moved photograph
        motion : Motion
        deformation : (V, 3) mm; the jaw's part of it moves the lower teeth

        Returns
        -------
        (H, W, 3) uint8
        """
        scene = self.scene
        outline, _ = motion.moved(self.front.landmarks[OUTER_LIPS])
        patch = _patch_around(outline, scene.shape, self._factor)
        if patch is None:
            return image
        opening, lip = self._opening(motion, outline, patch)
        if not opening.any():
            return image
        inward = cv2.distanceTransform(opening.astype(np.uint8), cv2.DIST_L2, 3)
        inward /= scene.scale * patch.factor
        jaw = scene.motion @ deformation[scene.anatomy.landmark_vertices[CHIN]]
        kind, tone = self._behind(patch, jaw)
        colours = _painted(kind, tone, inward, lip, self._palette)
        blur = max(0.55, 0.35 * scene.zoom) * patch.factor
        colours = cv2.GaussianBlur(colours, (0, 0), blur)
        alpha = cv2.GaussianBlur(opening.astype(np.float32), (0, 0), 0.5 * patch.factor)
        return _lay_over(image, colours, alpha, patch, self.far)

    def _behind(self, patch, jaw):
        """Kinds (h, w) uint8 and tones float32 behind the lips, the jaw moved by (3,) pixels.

        It moves by whole samples, and nothing has to be drawn again.
        """
        kind, tone = np.full(patch.shape, SOCKET, np.uint8), np.ones(patch.shape, np.float32)
        nearest = np.full(patch.shape, -np.inf, np.float32)
        for layer, (x, y, nearer) in zip(self._layers, (np.zeros(3), jaw), strict=True):
            row = patch.factor * patch.top - layer.top - round(patch.factor * float(y))
            column = patch.factor * patch.left - layer.left - round(patch.factor * float(x))
            depth = layer.depth, np.float32(nearer)
            _put_behind(layer.kinds, layer.tones, *depth, row, column, kind, tone, nearest)
        return kind, tone

    def _opening(self, motion, outline, patch):
        """Pixels between the lips' visible parts; those among them where a lip rolls inwards."""
        front = self.front
        xy, depth = motion.moved(front.mouth_vertices)
        near = facing(xy, front.mouth) > 0
        height, width = patch.shape
        ids = draw(patch.apply(xy), depth, front.mouth, shape=(height, width), keep=near)
        within = np.zeros(patch.shape, np.uint8)
        corners = np.rint(patch.apply(outline) * 16).astype(np.int32)
        cv2.fillPoly(within, [corners], 1, shift=4)
        hidden = (ids >= 0) & ~front.mouth_visible[ids]
        opening = (within > 0) & ((ids < 0) | hidden)
        size = 2 * int(0.6 * self.scene.scale * patch.factor) + 3
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        opening = cv2.morphologyEx(opening.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
        return opening, opening & hidden


def _patch_around(outline, shape, factor):
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, [shape[1], shape[0]])
    width, height = (high - low).tolist()
    if min(width, height) < 3:
        return None
    return _Patch(int(low[0]), int(low[1]), width, height, factor)


def _exposure(scene):
    """Colours of lit skin and of the lips in the photograph, (3,) float32 each."""
    points = scene.xy[scene.anatomy.landmark_vertices]
    outer, inner = [*UPPER_LIP, *LOWER_LIP], [*UPPER_INNER_LIP, *LOWER_INNER_LIP]
    lips = (points[outer] + points[inner]) / 2
    features = points[[*NOSE_BASE, *EYES, *MOUTH]]
    low, high = features.min(0), features.max(0)
    height, width = scene.shape
    column, row = np.clip(np.rint([low, high]).astype(int), 0, [width - 1, height - 1]).T
    face = scene.image[row[0] : row[1] + 1, column[0] : column[1] + 1].reshape(-1, 3)
    column, row = np.clip(np.rint(lips).astype(int), 0, [width - 1, height - 1]).T
    skin = np.percentile(face, 80, axis=0)
    return skin.astype(np.float32), np.median(scene.image[row, column], axis=0).astype(np.float32)


def _layer(scene, part, factor):
    """A part of the proxy, (vertices, faces, kinds, tones), as a _Layer of a photograph."""
    vertices, faces, kinds, tones = part
    landmarks = scene.anatomy.landmark_vertices
    lips = landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP[::-1]]]
    anchor = np.append(scene.xy[lips].mean(0), 0)
    right, left = scene.vertices[landmarks[INNER_MOUTH_CORNERS]]
    size = float(np.linalg.norm(left - right)) / 40.0
    placed = anchor + (size * vertices - [0, 0, BEHIND_LIPS_MM]) @ scene.motion.T
    xy = (placed[:, :2] + 0.5) * factor - 0.5
    low = np.floor(xy.min(0)).astype(int)
    width, height = (np.ceil(xy.max(0)).astype(int) + 1 - low).tolist()
    ids, weights = rasterise(xy - low, placed[:, 2], faces, shape=(height, width))
    values = interpolate(np.stack([tones, placed[:, 2]], axis=1), faces, (ids, weights))
    depth = np.where(ids >= 0, values[..., 1], -np.float32(np.inf))
    return _Layer(int(low[0]), int(low[1]), kinds[ids], values[..., 0].copy(), depth)


@numba.njit(cache=True)
def _put_behind(kinds, tones, depth, nearer, row, column, kind, tone, nearest):
    """A layer into what is seen so far, in place; that starts at a row and column of it."""
    top, bottom = max(-row, 0), min(kinds.shape[0] - row, kind.shape[0])
    left, right = max(-column, 0), min(kinds.shape[1] - column, kind.shape[1])
    for j in range(top, bottom):
        for i in range(left, right):
            z = depth[j + row, i + column] + nearer
            if z > nearest[j, i]:
                nearest[j, i] = z
                kind[j, i], tone[j, i] = kinds[j + row, i + column], tones[j + row, i + column]


@numba.njit(cache=True, fastmath=True)
def _painted(kind, tone, inward, lip, palette):
    """Colours (h, w, 3) float32 at some mm from the lips, in whose shadow they lie."""
    height, width = kind.shape
    colours = np.empty((height, width, 3), np.float32)
    for j in range(height):
        for i in range(width):
            own, depth = LIP if lip[j, i] else kind[j, i], inward[j, i]
            if lip[j, i]:
                shade = np.float32(0.3) + np.float32(0.55) * np.exp(-depth / ROLL_MM)
            else:
                shade = tone[j, i] * (LEAST_LIGHT + (1 - LEAST_LIGHT) * min(depth / SHADOW_MM, 1))
            for k in range(3):
                colours[j, i, k] = shade * palette[own, k]
    return colours


@lru_cache(maxsize=2)
def _proxy(columns):
    """Teeth, gums and tongue about the middle of the closed lips, in so many columns a row.

    Returns two parts, what the head carries and what the jaw does, of vertices (N, 3), mm;
    triangles (F, 3); the triangles' kinds (F,); the vertices' tones (N,).
    """
    upper = _row(columns, UPPER_WIDTHS_MM, 1.0, (UPPER_EDGE_MM, UPPER_NECK_MM, UPPER_TOP_MM))
    vertices, faces, kinds, tones = _row(
        columns, LOWER_WIDTHS_MM, LOWER_ARCH, (LOWER_EDGE_MM, LOWER_NECK_MM, LOWER_BOTTOM_MM)
    )
    tongue = _tongue()
    lower = (
        np.concatenate([vertices, tongue[0]]),
        np.concatenate([faces, tongue[1] + len(vertices)]),
        np.concatenate([kinds, tongue[2]]),
        np.concatenate([LOWER_LIGHT * tones, tongue[3]]),
    )
    return upper, lower


def _row(columns, widths, arch, heights):
    """One row of teeth with its gum: a strip along the arch from the biting edge to the gum."""
    half_width, depth = (arch * size for size in ARCH_MM)
    angle = np.radians(np.linspace(-ARCH_DEGREES, ARCH_DEGREES, columns))
    x, z = half_width * np.sin(angle), depth * (np.cos(angle) - 1)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    length = np.abs(length - length[len(length) // 2])
    bounds = np.concatenate([[0], np.cumsum(widths)])
    tooth = np.clip(np.searchsorted(bounds, length, side="right") - 1, 0, len(widths) - 1)
    across = (length - bounds[tooth]) / np.asarray(widths)[tooth]
    gap = np.clip(4 * np.abs(across - 0.5) - 1, 0, 1) ** 4
    edge, neck, top = heights
    outward = np.sign(edge - neck)
    levels = np.array([0, 0.05, 0.12, 0.3, 0.6, 0.85, 1.0, 1.0, 1.3, 2.0])
    rows = []
    for level in levels:
        y = edge + level * (neck - edge) if level <= 1 else neck + (level - 1) * (top - neck)
        corner = -outward * 1.1 * gap * np.clip(1 - level / 0.3, 0, 1)
        scallop = outward * 1.2 * gap * np.clip((level - 0.5) / 0.5, 0, 1)
        rows.append(np.stack([x, y + corner + scallop, z], axis=1))
    light = np.exp(z / LIGHT_DEPTH_MM) * (0.55 + 0.45 * np.cos(angle))
    tones = []
    for level in levels:
        crown = (1 - 0.45 * gap) * (0.9 + 0.1 * np.sin(np.pi * min(level, 1.0)))
        tones.append(light * (crown if level <= 1 else 0.8))
    faces = _grid_faces(len(levels), len(x))
    strip = np.repeat(np.arange(len(levels) - 1), 2 * (len(x) - 1))
    kinds = np.where(levels[1:][strip] > 1.0, GUM, TOOTH).astype(np.uint8)
    return np.concatenate(rows), faces, kinds, np.concatenate(tones)


def _tongue():
    """The upper front of an ellipsoid that lies in the jaw."""
    around, up = np.meshgrid(np.linspace(0, np.pi, 33), np.linspace(0, np.pi / 2, 13))
    unit = np.stack([np.cos(around) * np.cos(up), np.sin(up), np.sin(around) * np.cos(up)], -1)
    unit = unit.reshape(-1, 3)
    vertices = unit * TONGUE_RADII_MM + TONGUE_CENTRE_MM
    groove = 1 - 0.25 * np.exp(-((vertices[:, 0] / 2.5) ** 2))
    tones = np.exp(0.6 * vertices[:, 2] / LIGHT_DEPTH_MM) * (0.6 + 0.4 * unit[:, 1]) * groove
    faces = _grid_faces(*around.shape)
    return vertices, faces, np.full(len(faces), TONGUE, np.uint8), np.minimum(1.3 * tones, 1.0)


def _grid_faces(rows, columns):
    """Two triangles for each cell of a grid of vertices, in row-major order."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    pairs = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], axis=2)
    return pairs.reshape(-1, 3)


def _lay_over(image, colours, alpha, patch, far):
    """The patch laid over the picture with its edges averaged over the samples of each pixel."""
    size = (patch.width, patch.height)
    box = (slice(patch.top, patch.top + patch.height), slice(patch.left, patch.left + patch.width))
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    alpha[far[box]] = 0
    alpha = alpha[..., None]
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    result = image.copy()
    place = result[box]
    mixed = place + alpha * (colours - place)
    place[...] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result
