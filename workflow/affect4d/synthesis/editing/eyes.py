"""Eyes: the eyeball stays round behind lids that move, and turns where a gaze is asked for.

A warp would stretch the iris between lids that open, squash it between those that close, and could
not turn it. Instead the eye's own texture is laid on a ball, without lids (`eyeball`), and drawn
between the moved lids. What lids have passed that blink is painted over from the skin around, and
where they come together lies the line of the lashes. Eyes whose lids stay, and that do not turn,
stay as they are, bit for bit.
"""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.config.synthesis import Settings
from affect4d.synthesis.editing.eyeball import (
    SOFT_PX,
    Eyeball,
    find_eyeball,
    sample,
)
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lid_lines import LEAST_STEP_PX, beside_lids, height_at, lid_knots
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.ibug68 import EYE_OUTLINES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BALL_MM = 12.0  # radius of the eyeball
# The ball shows in full where the aperture has changed by this share; by eye.
FULL_CHANGE = 0.05
# From the lids on it fades in: below the upper one, whose lashes stay, and above the lower one.
# Lids that open by OPENED of the aperture throw the shadow on it that they had: logarithm of the
# darkening at the lid, falling by e within. By eye.
LASHES_EDGE_MM, UPPER_FADE_MM, LOWER_FADE_MM = 0.4, 0.7, 0.8
OPENED, LID_SHADE, LID_SHADE_MM = 0.25, 0.6, 1.0
# Above a lid that closes, where lashes were that then hang down: as far times this power of the
# closing, as they are seen until lids meet; by eye.
LASHES_MM, SHUT_POWER = 2.5, 4
# Where lids meet: logarithm of the darkening, standard deviations above and below; by eye.
LASH_SHADE, LASH_MM = 0.9, (0.6, 0.5)
# Of the iris' rise or fall with which the upper lids go: nearly all (Becker & Fuchs, Journal of
# Neurophysiology 1988), less as landmarks err.
LID_SHARE = 0.8


class Eyes:
    """The stage, for one photograph.

    Attributes
    ----------
    problem : why an eye is left as it is, an index of PROBLEMS; 0 if none is
    """

    def __init__(self, scene: Scene, mesh: VisibleSubmesh, settings: Settings) -> None:
        self._scene = scene
        self._turn = turn(settings.gaze_yaw, settings.gaze_pitch)
        self._asked = settings.moves_eyes
        made = [find_eyeball(scene, mesh, eye) for eye in EYE_OUTLINES]
        self._balls = [ball for ball in made if isinstance(ball, Eyeball)]
        outlines = np.array([ball.outline for ball in self._balls], np.int64)
        self._vertices = outlines.reshape(-1)
        self._before = mesh.xy[outlines].astype(np.float32)
        self._places = [
            np.array([*ball.origin, *ball.centre, scene.scale, self._asked], np.float32)
            for ball in self._balls
        ]
        self.problem = max(ball for ball in [*made, 0] if isinstance(ball, int))

    def __call__(self, picture: Bytes, motion: Motion) -> Bytes:
        """The moved photograph (H, W, 3) with its eyes round, turned and closed, in place."""
        if not self._balls:
            return picture
        outlines = motion.positions(self._vertices)[0].reshape(self._before.shape)
        eyes = zip(self._balls, self._before, outlines, self._places, strict=True)
        for ball, before, after, place in eyes:
            closing = -_change(before, after) if self._asked else 0.0
            if closing > 0:
                self._uncover(picture, motion, ball, closing=closing)
            _draw_ball(picture, ball.texture, before, after, self._turn, place)
            if closing > 0:
                self._darken(picture, ball, after - ball.origin, closing=closing)
        return picture

    def _uncover(self, picture: Bytes, motion: Motion, ball: Eyeball, *, closing: float) -> None:
        """Skin, in place, where lids have passed that close by a share of the aperture."""
        part, source = picture[ball.window], motion.source[ball.window] - ball.origin
        reach = LASHES_MM * self._scene.scale * closing**SHUT_POWER
        covered = sample(np.clip(1 + (ball.inside + reach) / SOFT_PX, 0, 1), source)
        skin = cv2.inpaint(part, (covered > 0).astype(np.uint8), LASHES_MM, cv2.INPAINT_TELEA)
        part[...] = np.rint(part + covered[..., None] * (skin.astype(np.float32) - part))

    def _darken(self, picture: Bytes, ball: Eyeball, outline: Floats, *, closing: float) -> None:
        """The line of the lashes, in place, where lids close."""
        part = picture[ball.window]
        dark = closing**2 * LASH_SHADE * self._lashes(outline, part.shape[:2])
        part[...] = np.rint(part * np.exp(-dark)[..., None])

    def _lashes(self, outline: Floats, shape: tuple[int, int]) -> Floats:
        """(h, w), 1 where the upper lid ends, falling beside it and to the corners."""
        place, below, _ = beside_lids(outline, *shape)
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


@numba.njit(cache=True)
def _change(before: Floats, after: Floats) -> float:
    """Share by which the aperture of an outline (6, 2) has grown, or of a pixel if narrower."""
    apertures = np.empty(2)
    for which, outline in enumerate((before, after)):
        across = outline[5] + outline[4] - outline[1] - outline[2]
        apertures[which] = np.sqrt(across[0] ** 2 + across[1] ** 2) / 2
    return float((apertures[1] - apertures[0]) / max(apertures[0], SOFT_PX))


@numba.njit(cache=True)
def _draw_ball(
    picture: Bytes,
    texture: Floats,
    before: Floats,
    after: Floats,
    turn: Floats,
    place: Floats,
) -> None:
    """The ball into the picture (H, W, 3), in place, between the moved lids.

    Parameters
    ----------
    texture : (h, w, 3), of the ball that is not turned
    before, after : (6, 2), the lids' outline, pixels
    turn : (3, 3)
    place : x and y of the texture in the picture, and of the iris in the texture, pixels; pixels
        per mm; whether the ball is drawn where lids stay
    """
    left, top, cx, cy, scale, asked = place
    change = np.float32(_change(before, after))
    shown = max(asked, min(abs(change) / np.float32(FULL_CHANGE), np.float32(1)))
    if shown == 0:
        return
    shade = np.float32(LID_SHADE) * min(
        max(change / np.float32(OPENED), np.float32(0)), np.float32(1)
    )
    height, width = texture.shape[:2]
    radius = np.float32(BALL_MM) * scale
    ox, oy = after[0, 0] - left, after[0, 1] - top
    mx = cx + (after[0, 0] - before[0, 0] + after[3, 0] - before[3, 0]) / 2
    my = cy + (after[0, 1] - before[0, 1] + after[3, 1] - before[3, 1]) / 2
    right, down = after[3, 0] - after[0, 0], after[3, 1] - after[0, 1]
    length = max(np.sqrt(right * right + down * down), np.float32(LEAST_STEP_PX))
    ux, uy = right / length, down / length
    knots, slopes = lid_knots(after, ux, uy)
    low = max(int(after[:, 1].min() - top) - 2, 0)
    high = min(int(after[:, 1].max() - top) + 3, height)
    first = max(int(after[:, 0].min() - left), 0)
    last = min(int(after[:, 0].max() - left) + 2, width)
    zero, one = np.float32(0), np.float32(1)
    for j in range(low, high):
        for i in range(first, last):
            dx, dy = np.float32(i) - ox, np.float32(j) - oy
            along, across = dx * ux + dy * uy, dy * ux - dx * uy
            if along <= 0 or along >= length:
                continue
            below = (across - height_at(along, knots[0], slopes[0])) / scale
            above = (height_at(along, knots[1], slopes[1]) - across) / scale
            fade = (below - np.float32(LASHES_EDGE_MM)) / np.float32(UPPER_FADE_MM)
            fade = min(fade, above / np.float32(LOWER_FADE_MM), one)
            if fade <= 0:
                continue
            opacity = shown * fade * fade * (3 - 2 * fade)
            bx = min(max((np.float32(i) - mx) / radius, -one), one)
            by = min(max((np.float32(j) - my) / radius, -one), one)
            bz = np.sqrt(max(one - bx * bx - by * by, zero))
            # the inverse rotation
            x = radius * (bx * turn[0, 0] + by * turn[1, 0] + bz * turn[2, 0]) + cx
            y = radius * (bx * turn[0, 1] + by * turn[1, 1] + bz * turn[2, 1]) + cy
            x = min(max(x, zero), np.float32(width - 1))
            y = min(max(y, zero), np.float32(height - 1))
            column, row = min(int(x), width - 2), min(int(y), height - 2)
            sx, sy = x - np.float32(column), y - np.float32(row)
            light = one
            if shade > 0:
                light = np.exp(-shade * np.exp(-below / np.float32(LID_SHADE_MM)))
            v, u = j + int(top), i + int(left)
            for k in range(3):
                upper, lower = texture[row, column, k], texture[row + 1, column, k]
                upper += sx * (texture[row, column + 1, k] - upper)
                lower += sx * (texture[row + 1, column + 1, k] - lower)
                value = light * (upper + sy * (lower - upper))
                value = picture[v, u, k] + opacity * (value - picture[v, u, k])
                picture[v, u, k] = np.uint8(min(max(np.rint(value), zero), np.float32(255)))
