"""Gaze and blinks: the eyeball turns behind the lids, and the lids slide over it.

A warp would squash the iris between lids that close, and could not turn it. Instead the eye's own
texture is laid on a ball, without lids: beyond what the photograph shows of it, the iris is
completed from its opposite half, and the rest is as white as the white of the eye. Between the
moved lids the turned ball is drawn; what the lids have passed is painted over from the skin
around, and where they come together lies the line of the lashes. By default neither is asked for,
and nothing of this is done.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from affect4d.config.synthesis import Settings
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.scene import LUMINANCE, Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.ibug68 import EYE_OUTLINES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BALL_MM = 12.0  # radius of the eyeball
IRIS_MM = 5.9  # radius of the iris (white to white: 11.8 mm, Rufer et al., Cornea 2005)
RING = 1.35  # radii of the iris to which the white around it is looked at
EDGE_MM = 0.6  # beside the lids: their shadow, lashes and the landmarks' error; by eye
# Above a lid that closes, where lashes were that then hang down: as far times this power of the
# closing, as they are seen until lids meet; by eye.
LASHES_MM, SHUT_POWER = 2.5, 4
WHITE_MM = 3.0  # from how far beside white is taken
SOFT_PX = 1.0  # over which the drawn ball fades into the lids
MIN_WIDTH_PX = 4.0  # of an eye; smaller ones are left as they are
MARGIN = 0.6  # around an eye, of its width
# Where lids meet: logarithm of the darkening, standard deviations above and below; by eye.
LASH_SHADE, LASH_MM = 0.9, (0.6, 0.5)
# Of the iris' rise or fall with which the upper lids go: nearly all (Becker & Fuchs, Journal of
# Neurophysiology 1988), less as landmarks err.
LID_SHARE = 0.8
LEAST_STEP_PX = 1e-6  # between landmarks along a lid, which a curve needs in order
# Why an eye is left as it is; their order is that of the numbers that a build stores.
PROBLEMS = (
    "",
    "an eye reaches beyond the edge of the picture",
    f"an eye is narrower than {MIN_WIDTH_PX:g} pixels",
    "an eye is closed in the photograph",
)
BEYOND, NARROW, CLOSED = 1, 2, 3
UPPER, LOWER = (0, 1, 2, 3), (0, 5, 4, 3)  # of an outline, corner to corner


@dataclass(frozen=True)
class _Ball:
    """The eyeball of one eye in the photograph.

    Attributes
    ----------
    origin : (2,), pixels, of the upper left of its part of the picture
    texture : (h, w, 3) float32, of the photograph without lids
    inside : (h, w), pixels from the lids, positive between them
    centre : (2,), pixels, of the iris in that part
    outline : (6,), of the mesh's landmarks
    """

    origin: Floats
    texture: Floats
    inside: Floats
    centre: Floats
    outline: NDArray[np.int64]


class Eyes:
    """The stage, for one photograph.

    Attributes
    ----------
    problem : why an eye is left as it is, an index of PROBLEMS; 0 if none is
    """

    def __init__(self, scene: Scene, mesh: VisibleSubmesh, settings: Settings) -> None:
        self._scene, self._mesh = scene, mesh
        self._turn = turn(settings.gaze_yaw, settings.gaze_pitch)
        made = [_ball(scene, mesh, eye) for eye in EYE_OUTLINES]
        self._balls = [ball for ball in made if isinstance(ball, _Ball)]
        self.problem = max(ball for ball in [*made, 0] if isinstance(ball, int))

    def __call__(self, picture: Bytes, motion: Motion) -> Bytes:
        """The moved photograph (H, W, 3) with its eyes turned and closed, in place."""
        for ball in self._balls:
            self._draw(picture, motion, ball)
        return picture

    def _draw(self, picture: Bytes, motion: Motion, ball: _Ball) -> None:
        """One eye."""
        left, top = ball.origin.astype(int)
        height, width = ball.inside.shape
        part = picture[top : top + height, left : left + width]
        outline = motion.positions(ball.outline)[0] - ball.origin
        before = self._mesh.xy[ball.outline] - ball.origin
        grid = _grid(ball.inside.shape)
        closing = np.clip(1 - _aperture(outline) / max(_aperture(before), SOFT_PX), 0, 1)
        mixed = part.astype(np.float32)
        if closing > 0:
            source = motion.source[top : top + height, left : left + width] - ball.origin
            reach = LASHES_MM * self._scene.scale * closing**SHUT_POWER
            passed = np.clip(1 + (ball.inside + reach) / SOFT_PX, 0, 1)
            covered = _sample(passed, source)
            skin = cv2.inpaint(part, (covered > 0).astype(np.uint8), LASHES_MM, cv2.INPAINT_TELEA)
            mixed += covered[..., None] * (skin - mixed)
        moved = (outline[[0, 3]] - before[[0, 3]]).mean(0)
        turned = self._turned(grid - moved - ball.centre) + ball.centre
        opacity = np.clip(_inside(outline, grid) / SOFT_PX, 0, 1)
        mixed += opacity[..., None] * (_sample(ball.texture, turned) - mixed)
        if closing > 0:
            shade = closing**2 * LASH_SHADE * self._lashes(outline, grid)
            mixed *= np.exp(-shade)[..., None]
        part[...] = np.clip(np.rint(mixed), 0, 255)

    def _turned(self, away: Floats) -> Floats:
        """Where on the unturned ball is seen what the turned one shows (h, w, 2) from its centre.

        All in pixels.
        """
        radius = BALL_MM * self._scene.scale
        beside = np.clip(away / radius, -1, 1)
        near = np.sqrt(np.maximum(1 - (beside**2).sum(-1, keepdims=True), 0))
        ball = np.concatenate([beside, near], axis=-1) @ self._turn  # the inverse rotation
        return np.asarray(radius * ball[..., :2], np.float32)

    def _lashes(self, outline: Floats, grid: Floats) -> Floats:
        """(h, w), 1 where the upper lid ends, falling beside it and to the corners."""
        place, below = _beside(outline[list(UPPER)], grid)
        steps = below / (self._scene.scale * np.where(below < 0, *LASH_MM))
        ends = np.clip(4 * np.minimum(place, 1 - place), 0, 1)
        return np.asarray(ends * np.exp(-0.5 * steps**2), np.float32)


def lid_rise(pitch: float) -> float:
    """How far the upper lids go upwards with a gaze that is raised by degrees, mm."""
    return float(LID_SHARE * BALL_MM * np.sin(np.radians(pitch)))


def turn(yaw: float, pitch: float) -> Floats:
    """Rotation (3, 3) of the eyes, in axes x to the right of the picture, y down, z to the viewer.

    Parameters
    ----------
    yaw, pitch : degrees, positive to the right of the picture and upwards
    """
    across, up = np.radians([yaw, pitch])
    about_y = np.array(
        [[np.cos(across), 0, np.sin(across)], [0, 1, 0], [-np.sin(across), 0, np.cos(across)]]
    )
    about_x = np.array([[1, 0, 0], [0, np.cos(up), -np.sin(up)], [0, np.sin(up), np.cos(up)]])
    return np.asarray(about_y @ about_x, np.float32)


def _ball(scene: Scene, mesh: VisibleSubmesh, eye: NDArray[np.int64]) -> _Ball | int:
    """The eyeball behind an outline; where the picture hardly has it, an index of PROBLEMS."""
    outline = mesh.xy[mesh.landmarks[eye]]
    wide = float(np.linalg.norm(outline[3] - outline[0]))
    size = np.array(scene.shape[::-1])
    if (outline < 0).any() or (outline > size - 1).any():
        return BEYOND
    if wide < MIN_WIDTH_PX:
        return NARROW
    margin = MARGIN * wide
    low = np.maximum(np.floor(outline.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(outline.max(0) + margin), size).astype(int)
    part = scene.image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    origin = low.astype(np.float32)
    grid = _grid(part.shape[:2])
    inside = _inside(outline - origin, grid)
    core = inside > EDGE_MM * scene.scale
    if not core.any():
        return CLOSED
    centre = _iris(part @ LUMINANCE, core, IRIS_MM * scene.scale)
    texture = _without_lids(part, core, centre=centre, radius=IRIS_MM * scene.scale)
    return _Ball(origin, texture, inside, centre, mesh.landmarks[eye])


def _iris(light: Floats, core: NDArray[np.bool_], radius: float) -> Floats:
    """Centre (2,) of the iris: the disc that is darkest beside the ring around it."""
    size = int(np.ceil(RING * radius))
    away = np.hypot(*np.mgrid[-size : size + 1, -size : size + 1])
    disc, ring = away <= radius, (away > radius) & (away <= RING * radius)
    shown = core.astype(np.float32)
    means = []
    for mask in (disc, ring):
        kernel = mask.astype(np.float32)
        count = cv2.filter2D(shown, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        total = cv2.filter2D(light * shown, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        means.append(total / np.maximum(count, 1))
    contrast = np.where(core, means[1] - means[0], -np.inf)
    row, column = np.unravel_index(int(contrast.argmax()), contrast.shape)
    return np.array([column, row], np.float32)


def _without_lids(
    part: Floats, core: NDArray[np.bool_], *, centre: Floats, radius: float
) -> Floats:
    """The part (h, w, 3) of a picture, what lids cover of the eyeball completed."""
    grid = _grid(core.shape)
    iris = np.hypot(*np.moveaxis(grid - centre, -1, 0)) <= radius
    rim = cv2.dilate(iris.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    white = core & ~rim
    photographed = np.clip(part, 0, 255).astype(np.uint8)
    unknown = (~(white if white.any() else core)).astype(np.uint8)
    fill = cv2.inpaint(photographed, unknown, WHITE_MM, cv2.INPAINT_TELEA).astype(np.float32)
    opposite = 2 * centre - grid
    known = _sample(core.astype(np.float32), opposite)[..., None] * iris[..., None]
    fill += known * (_sample(part, opposite) - fill)
    share = cv2.GaussianBlur(core.astype(np.float32), (0, 0), SOFT_PX)[..., None] * core[..., None]
    return np.asarray(fill + share * (part - fill), np.float32)


def _beside(line: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Of a grid (h, w, 2), along and below a line of landmarks (n, 2) from corner to corner.

    Returns
    -------
    place : (h, w), 0 to 1 from corner to corner
    below : (h, w), pixels
    """
    length = float(np.linalg.norm(line[-1] - line[0]))
    axis = (line[-1] - line[0]) / length
    down = np.array([-axis[1], axis[0]], np.float32)
    along = np.maximum.accumulate(((line - line[0]) @ axis).astype(np.float64))
    along += LEAST_STEP_PX * np.arange(len(line))
    curve = PchipInterpolator(along, (line - line[0]) @ down)
    place = (grid - line[0]) @ axis
    below = (grid - line[0]) @ down - curve(np.clip(place, along[0], along[-1]))
    return np.asarray(place / length, np.float32), np.asarray(below, np.float32)


def _inside(outline: Floats, grid: Floats) -> Floats:
    """(h, w), pixels from the lids of an outline (6, 2), positive between them."""
    place, below = _beside(outline[list(UPPER)], grid)
    _, under = _beside(outline[list(LOWER)], grid)
    width = float(np.linalg.norm(outline[3] - outline[0]))
    ends = np.minimum(place, 1 - place) * width
    return np.minimum(np.minimum(below, -under), ends)


def _aperture(outline: Floats) -> float:
    """Pixels between the middles of the lids."""
    return float(np.linalg.norm((outline[[5, 4]] - outline[[1, 2]]).mean(0)))


def _grid(shape: tuple[int, int]) -> Floats:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def _sample(values: Floats, at: Floats) -> Floats:
    x, y = (np.ascontiguousarray(at[..., axis], dtype=np.float32) for axis in range(2))
    sampled = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)
