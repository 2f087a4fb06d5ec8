"""Last stage: the inside of an opened mouth, which the photograph of a closed one does not show.

Small openings stretch what the photograph shows between the lips. Larger ones get two rows of
teeth (the upper fixed to the head, the lower to the jaw), a tongue and a socket as simple shaded
surfaces, lit to match the photograph.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.config.synthesis import Settings
from affect4d.geometry.raster import draw, interpolate, rasterise
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lattice import Lattice
from affect4d.synthesis.editing.scene import LUMINANCE, Scene, facing
from affect4d.synthesis.editing.teeth import LIP, SOCKET, Surface, surfaces
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.ibug68 import (
    EYE_OUTLINES,
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

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

BEHIND_LIPS_MM = 6.0  # the drawn interior begins this far behind the inner lips; by eye
LIPS_WIDTH_MM = 40.0  # between the corners of the inner lips for which the surfaces are made
# Points of the outer lips and the inner ones opposite: red lies halfway between.
RED_OUTER, RED_INNER = [*UPPER_LIP, *LOWER_LIP], [*UPPER_INNER_LIP, *LOWER_INNER_LIP]
BELOW_BROWS = [*NOSE_BASE, *EYES, *MOUTH]  # their bounding box holds mostly skin
LIT_SKIN_PERCENTILE = 80  # of that box's colours
SCLERA_PERCENTILE = 90  # of the luminance between the lids; more are the lamps' reflections
MIN_EYE_PX = 12  # between the lids; fewer tell nothing
SHADOW_MM, MIN_LIGHT = 1.6, 0.88  # teeth are dimmed this close to the lips, to this share
# A lip that rolls inwards darkens from ROLL_LIGHT + ROLL_SHADE of its colour to ROLL_LIGHT, by e
# over ROLL_MM.
ROLL_LIGHT, ROLL_SHADE, ROLL_MM = 0.3, 0.55, 1.5
# Teeth are as bright as the light that falls on the face makes them, which the white of the eyes
# shows whatever the skin. On 24 smiles of the Face Research Lab London Set the brightest tenth of
# what shows between the lips is 1.23 times as bright as the sclera of the neutral photograph
# (standard deviation 14 %; over lit skin 1.21, 22 %) and of this white; drawn teeth are shaded, so
# that the gain is 1.31 (set on every other person; on the rest they are then 1.01 times as bright).
# Never brighter than white paper in a photograph; gums and tongue lie between pale skin and the
# lips; the socket is dark red.
# Towards the corners their light falls, to half at CHEEK_SHADE of the way from the middle to the
# inner corner of the lips, by a logistic of the logarithm of that way; of red less is lost and of
# green and blue more, by these shares of what is lost in all (`benchmarks/mouths.py`).
CHEEK_SHADE, CHEEK_POWER = 0.78, 5
SHADE_TINT = np.array([0.06, -0.02, -0.12], np.float32)
WARM_WHITE = np.array([1.05, 1.0, 0.95], np.float32)
TOOTH_GAIN, TOOTH_PER_SKIN, MAX_TOOTH = 1.31, (1.0, 2.2), 235.0  # bounds over lit skin; grey levels
PALE_PINK = np.array([1.0, 0.75, 0.75], np.float32)
GUM_LIGHT, TONGUE_LIGHT, SOCKET_LIGHT = 0.8, 0.75, 0.17
# The picture of the interior, before it is laid over the photograph.
OPEN_MM = 80.0  # across a wide open mouth
MAX_SAMPLES = 480  # across it beyond which one sample per pixel is drawn, else two
FEW_COLUMNS, MANY_COLUMNS, FINE = 241, 481, 3.0  # per row of teeth, below and from FINE samples/mm
MIN_HALF_PX2 = 1.0  # of half the mouth's width: avoids a division by zero
MIN_SIDE_PX = 3  # a smaller opening shows nothing
CRACK_MM = 0.6  # narrower openings are closed
SMOOTH_MM = 0.5  # standard deviation that smooths the opening's edge, made of the mesh's triangles
# Standard deviations of the interior and its edge: per pixel of the photograph, as a lens has; of
# the picture's pixels; and of lips and teeth, which round off.
LENS_BLUR_PX, BLUR_PX, BLUR_MM = 0.35, 0.5, 0.3
SUBPIXEL_BITS = 4  # of cv2.fillPoly's corners


@dataclass(frozen=True)
class _Patch:
    """A supersampled rectangle of the picture: patch = factor * (picture - origin + .5) - .5."""

    left: int
    top: int
    width: int
    height: int
    factor: int

    def apply(self, xy: Floats) -> Floats:
        return (xy - np.array([self.left, self.top], np.float32) + 0.5) * self.factor - 0.5

    @property
    def shape(self) -> tuple[int, int]:
        return self.height * self.factor, self.width * self.factor


@dataclass(frozen=True)
class _Layer:
    """What moves as one behind the lips, drawn once where the photograph has it.

    left, top : its place in the supersampled picture, samples
    kinds : (h, w)
    tones, depth : (h, w), depth -inf where nothing is
    """

    left: int
    top: int
    kinds: Bytes
    tones: Floats
    depth: Floats


class Mouth:
    """The stage, for one photograph."""

    def __init__(
        self, scene: Scene, mesh: VisibleSubmesh, lattice: Lattice, *, settings: Settings
    ) -> None:
        self._scene, self._mesh, self._far = scene, mesh, lattice.far
        self._lips = mesh.landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP]]
        before = _opening_between(mesh.xy[self._lips])
        gap = settings.mouth_gap * scene.inter_ocular
        self._max_stretched = max(settings.mouth_ratio * before, before + gap)

    def __call__(self, picture: Bytes, motion: Motion) -> tuple[Bytes, bool]:
        """The moved photograph (H, W, 3) with the interior drawn, and whether it was.

        It is where the opening grew beyond what stretching the photograph's own interior bears.
        """
        if _opening_between(motion.positions(self._lips)[0]) < self._max_stretched:
            return picture, False
        return self._draw(picture, motion), True

    def _draw(self, picture: Bytes, motion: Motion) -> Bytes:
        scene = self._scene
        outline, _ = motion.positions(self._mesh.landmarks[OUTER_LIPS])
        patch = _patch_around(outline, scene.shape, self._factor)
        if patch is None:
            return picture
        opening, lip = self._opening(motion, outline, patch)
        if not opening.any():
            return picture
        inward = np.asarray(
            cv2.distanceTransform(opening.astype(np.uint8), cv2.DIST_L2, 3), np.float32
        )
        inward /= scene.scale * patch.factor
        kind, tone = self._behind(patch, motion.jaw)
        corners, _ = motion.positions(self._mesh.landmarks[INNER_MOUTH_CORNERS])
        colours = _painted(
            kind, tone, inward, lip, self._palette, SHADE_TINT, *_across(patch.apply(corners))
        )
        blur = max(LENS_BLUR_PX * scene.zoom, np.hypot(BLUR_PX, BLUR_MM * scene.scale))
        blurred, opacity = (
            np.asarray(cv2.GaussianBlur(sharp, (0, 0), blur * patch.factor), np.float32)
            for sharp in (colours, opening.astype(np.float32))
        )
        return _overlay(picture, blurred, opacity, patch=patch, far=self._far)

    @cached_property
    def _factor(self) -> int:
        """Samples per pixel, along either axis."""
        return int(np.clip(MAX_SAMPLES // (OPEN_MM * self._scene.scale), 1, 2))

    @cached_property
    def _layers(self) -> list[_Layer]:
        """What the head and what the jaw carry behind the lips."""
        samples = self._scene.scale * self._factor
        columns = FEW_COLUMNS if samples < FINE else MANY_COLUMNS
        return [_layer(self._scene, part, self._factor) for part in surfaces(columns)]

    @cached_property
    def _palette(self) -> Floats:
        """(5, 3), colours of TOOTH, GUM, TONGUE, SOCKET and LIP in the photograph."""
        skin, red = _exposure(self._scene)
        lit = float(skin @ LUMINANCE)
        sclera = _sclera(self._scene)
        bright = TOOTH_GAIN * (lit if sclera is None else sclera)
        low, high = (share * lit for share in TOOTH_PER_SKIN)
        tooth = min(float(np.clip(bright, low, high)), MAX_TOOTH) * WARM_WHITE
        pink = 0.5 * skin * PALE_PINK + 0.5 * red
        colours = [tooth, GUM_LIGHT * pink, TONGUE_LIGHT * pink, SOCKET_LIGHT * red, red]
        return np.stack(colours).astype(np.float32)

    def _behind(self, patch: _Patch, jaw: Floats) -> tuple[Bytes, Floats]:
        """Kinds and tones (h, w) behind the lips, the jaw moved by (3,) pixels.

        It moves by whole samples, and nothing has to be drawn again.
        """
        kind, tone = np.full(patch.shape, SOCKET, np.uint8), np.ones(patch.shape, np.float32)
        nearest = np.full(patch.shape, -np.inf, np.float32)
        moves = [np.zeros(3, np.float32), jaw]
        for layer, move in zip(self._layers, moves, strict=True):
            x, y, nearer = (float(pixels) for pixels in move)
            row = patch.factor * patch.top - layer.top - round(patch.factor * y)
            column = patch.factor * patch.left - layer.left - round(patch.factor * x)
            depth = layer.depth, np.float32(nearer)
            _put_behind(layer.kinds, layer.tones, *depth, row, column, kind, tone, nearest)
        return kind, tone

    def _opening(self, motion: Motion, outline: Floats, patch: _Patch) -> tuple[Bools, Bools]:
        """Pixels between the lips' visible parts; those among them where a lip rolls inwards."""
        mesh = self._mesh
        xy, depth = motion.positions(mesh.mouth_vertices)
        near = facing(xy, mesh.mouth_hidden) > 0
        samples = patch.apply(xy)
        hidden = draw(samples, depth, mesh.mouth_hidden, shape=patch.shape, keep=near) >= 0
        within = np.zeros(patch.shape, np.uint8)
        corners = np.rint(patch.apply(outline) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(within, [corners], 1, shift=SUBPIXEL_BITS)
        opening = (within > 0) & ~_covered(samples, mesh.mouth_rim, *patch.shape)
        size = 2 * int(CRACK_MM * self._scene.scale * patch.factor) + 3
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        opened = cv2.morphologyEx(opening.astype(np.float32), cv2.MORPH_OPEN, disc)
        smooth = SMOOTH_MM * self._scene.scale * patch.factor
        opening = cv2.GaussianBlur(opened, (0, 0), smooth) > 0.5
        return opening, opening & hidden


def _opening_between(lips: Floats) -> float:
    """Mean distance of the inner lips, the upper's points and the lower's (2 n, 2), pixels."""
    across = lips[: len(UPPER_INNER_LIP)] - lips[len(UPPER_INNER_LIP) :]
    return float(np.hypot(across[:, 0], across[:, 1]).mean())


def _across(corners: Floats) -> tuple[Floats, Floats]:
    """Middle (2,) of two points (2, 2), and the vector (2,) whose product tells the way from it.

    That way is 1 at the second point.
    """
    middle, half = corners.mean(0), (corners[1] - corners[0]) / 2
    return middle, half / max(float(half @ half), MIN_HALF_PX2)


def _patch_around(outline: Floats, shape: tuple[int, int], factor: int) -> _Patch | None:
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 3, [shape[1], shape[0]])
    width, height = (high - low).tolist()
    if min(width, height) < MIN_SIDE_PX:
        return None
    return _Patch(int(low[0]), int(low[1]), width, height, factor)


def _exposure(scene: Scene) -> tuple[Floats, Floats]:
    """Colours (3,) of lit skin and of the lips in the photograph."""
    points = scene.xy[scene.anatomy.landmark_vertices]
    lips = (points[RED_OUTER] + points[RED_INNER]) / 2
    low, high = points[BELOW_BROWS].min(0), points[BELOW_BROWS].max(0)
    height, width = scene.shape
    column, row = np.clip(np.rint([low, high]).astype(int), 0, [width - 1, height - 1]).T
    face = scene.image[row[0] : row[1] + 1, column[0] : column[1] + 1].reshape(-1, 3)
    column, row = np.clip(np.rint(lips).astype(int), 0, [width - 1, height - 1]).T
    skin = np.percentile(face, LIT_SKIN_PERCENTILE, axis=0).astype(np.float32)
    return skin, np.median(scene.image[row, column], axis=0).astype(np.float32)


def _sclera(scene: Scene) -> float | None:
    """Luminance of the white of the eyes, grey levels; None where they hardly show."""
    mask = np.zeros(scene.shape, np.uint8)
    points = np.rint(scene.xy[scene.anatomy.landmark_vertices]).astype(np.int32)
    for eye in EYE_OUTLINES:
        cv2.fillPoly(mask, [points[eye]], 1)
    between = scene.image[mask > 0]
    if len(between) < MIN_EYE_PX:
        return None
    return float(np.percentile(between @ LUMINANCE, SCLERA_PERCENTILE))


def _layer(scene: Scene, part: Surface, factor: int) -> _Layer:
    """A part of what lies behind the lips, in a photograph."""
    landmarks = scene.anatomy.landmark_vertices
    lips = landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP[::-1]]]
    anchor = np.append(scene.xy[lips].mean(0), 0)
    right, left = scene.vertices[landmarks[INNER_MOUTH_CORNERS]]
    size = float(np.linalg.norm(left - right)) / LIPS_WIDTH_MM
    placed = anchor + (size * part.vertices - [0, 0, BEHIND_LIPS_MM]) @ scene.motion.T
    xy = (placed[:, :2] + 0.5) * factor - 0.5
    low = np.floor(xy.min(0)).astype(int)
    width, height = (np.ceil(xy.max(0)).astype(int) + 1 - low).tolist()
    ids, weights = rasterise(xy - low, placed[:, 2], part.faces, shape=(height, width))
    values = interpolate(np.stack([part.tones, placed[:, 2]], axis=1), part.faces, (ids, weights))
    depth = np.where(ids >= 0, values[..., 1], -np.float32(np.inf))
    return _Layer(int(low[0]), int(low[1]), part.kinds[ids], values[..., 0].copy(), depth)


def _overlay(
    picture: Bytes,
    colours: Floats,
    opacity: Floats,
    *,
    patch: _Patch,
    far: Bools,
) -> Bytes:
    """The patch laid over the picture, in place; averaged over samples."""
    size = (patch.width, patch.height)
    box = (slice(patch.top, patch.top + patch.height), slice(patch.left, patch.left + patch.width))
    opaque = cv2.resize(opacity, size, interpolation=cv2.INTER_AREA)
    opaque[far[box]] = 0
    small = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    target = picture[box]
    mixed = target + opaque[..., None] * (small - target)
    target[...] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return picture


@numba.njit(cache=True)
def _covered(xy: Floats, rim: NDArray[np.int32], height: int, width: int) -> Bools:
    """(h, w) bool: samples inside the directed outline (e, 2) of a surface at (n, 2) samples.

    They are those that it winds around: overlaps count twice, and what is turned over counts
    against it.
    """
    windings = np.zeros((height, width + 1), np.int32)
    for e in range(len(rim)):
        ax, ay, bx, by = xy[rim[e, 0], 0], xy[rim[e, 0], 1], xy[rim[e, 1], 0], xy[rim[e, 1], 1]
        turns = 1 if by > ay else -1
        first, last = int(np.ceil(max(min(ay, by), np.float32(0)))), int(np.ceil(max(ay, by)))
        for j in range(first, min(last, height)):
            x = ax + (np.float32(j) - ay) / (by - ay) * (bx - ax)
            windings[j, int(np.ceil(min(max(x, np.float32(0)), np.float32(width))))] += turns
    covered = np.empty((height, width), np.bool_)
    for j in range(height):
        total = 0
        for i in range(width):
            total += windings[j, i]
            covered[j, i] = total > 0
    return covered


@numba.njit(cache=True)
def _put_behind(
    kinds: Bytes,
    tones: Floats,
    depth: Floats,
    nearer: np.float32,
    row: int,
    column: int,
    kind: Bytes,
    tone: Floats,
    nearest: Floats,
) -> None:
    """A layer into what is seen so far, in place; that starts at a row and column of it."""
    top, bottom = max(-row, 0), min(kinds.shape[0] - row, kind.shape[0])
    left, right = max(-column, 0), min(kinds.shape[1] - column, kind.shape[1])
    for j in range(top, bottom):
        for i in range(left, right):
            z = depth[j + row, i + column] + nearer
            if z > nearest[j, i]:
                nearest[j, i] = z
                kind[j, i], tone[j, i] = kinds[j + row, i + column], tones[j + row, i + column]


@numba.njit(cache=True)
def _painted(
    kind: Bytes,
    tone: Floats,
    inward: Floats,
    lip: Bools,
    palette: Floats,
    tint: Floats,
    middle: Floats,
    across: Floats,
) -> Floats:
    """Colours (h, w, 3) float32 at some mm from the lips, in whose shadow they lie.

    middle, across : of the mouth (`_across`); light falls from there to the corners
    """
    height, width = kind.shape
    colours = np.empty((height, width, 3), np.float32)
    unit = np.float32(1)
    for j in range(height):
        for i in range(width):
            colour, depth = LIP if lip[j, i] else kind[j, i], inward[j, i]
            if lip[j, i]:
                shade = np.float32(ROLL_LIGHT) + np.float32(ROLL_SHADE) * np.exp(-depth / ROLL_MM)
                for k in range(3):
                    colours[j, i, k] = shade * palette[colour, k]
                continue
            way = abs((i - middle[0]) * across[0] + (j - middle[1]) * across[1]) / CHEEK_SHADE
            shade = tone[j, i] * (MIN_LIGHT + (1 - MIN_LIGHT) * min(depth / SHADOW_MM, 1))
            shade = np.float32(shade / (1 + way**CHEEK_POWER))
            for k in range(3):
                tinted = shade * (unit + tint[k] * (unit - shade))
                colours[j, i, k] = tinted * palette[colour, k]
    return colours
