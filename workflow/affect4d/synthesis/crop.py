"""Parts of photographs around the face: aligned squares of a fixed size, upright windows."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.quality import outside
from affect4d.template.ibug68 import EYE_OUTLINES

MAX_OUTSIDE = 0.5  # of the landmarks, beyond a photograph's edge
MIN_SIDE_PX = 8  # of a square or window


@dataclass(frozen=True)
class Crop:
    """A square of a photograph, turned so that the eyes are level, and resampled.

    Attributes
    ----------
    centre : pixels of the photograph, x and y; centres of pixels at integers
    side : pixels of the photograph; the square may reach beyond its edge
    angle : degrees, clockwise as one sees it, by which the square is turned
    size : pixels of the crop
    """

    centre: tuple[float, float]
    side: int
    angle: float
    size: int

    @property
    def zoom(self) -> float:
        """Pixels of the crop per pixel of the photograph."""
        return self.size / self.side

    @cached_property
    def turn(self) -> NDArray[np.float64]:
        """(2, 2): directions in the photograph to directions in the crop."""
        return _upright(self.angle)

    def apply(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        """Pixels of the photograph (..., 2) to pixels of the crop."""
        offset = (np.asarray(xy) - self.centre) @ self.turn.T
        return np.asarray(self.zoom * offset + (self.size - 1) / 2)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop of a photograph (H, W, 3); beyond its edge the edge is repeated."""
        shift = (self.side - 1) / 2 - self.turn @ self.centre
        part = cv2.warpAffine(
            image,
            np.column_stack([self.turn, shift]),
            (self.side, self.side),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if self.zoom == 1:
            return np.asarray(part, image.dtype)
        method = cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_CUBIC
        resized = cv2.resize(part, (self.size, self.size), interpolation=method)
        return np.asarray(resized, image.dtype)


@dataclass(frozen=True)
class Window:
    """A rectangle inside a photograph, at its own size: left, top, width, height in pixels."""

    left: int
    top: int
    width: int
    height: int

    zoom: ClassVar[float] = 1.0
    turn: ClassVar[NDArray[np.float64]] = np.eye(2)

    def apply(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        """Pixels of the photograph (..., 2) to pixels of the window."""
        return np.asarray(np.asarray(xy) - [self.left, self.top])

    def view(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The rectangle of a photograph (H, W, 3) itself, without a copy."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of the rectangle of a photograph (H, W, 3)."""
        return self.view(image).copy()


def square_around(landmarks: NDArray[np.floating], margin: float, size: int) -> Crop:
    """The Crop of `size` pixels around landmarks (68, 2) px, by which the eyes become level.

    `margin` on each side is in units of the landmarks' extent, measured along the crop's sides.
    """
    right, left = (landmarks[eye].mean(0) for eye in EYE_OUTLINES)  # the person's
    across, down = (left - right).tolist()
    angle = float(np.degrees(np.arctan2(down, across)))
    turn = _upright(angle)
    low, high = _box(landmarks @ turn.T)
    side = _side(low, high, margin)
    x, y = ((low + high) / 2 @ turn).tolist()
    return Crop((x, y), side, angle, size)


def window_around(landmarks: NDArray[np.floating], margin: float, shape: tuple[int, ...]) -> Window:
    """The Window around landmarks (68, 2) px in a photograph of a shape (H, W, 3).

    Raises
    ------
    ValueError
        Most of the landmarks lie outside the photograph.
    """
    if outside(landmarks, shape).mean() > MAX_OUTSIDE:
        raise ValueError("most of the face lies outside the photograph")
    low, high = _box(landmarks)
    side = _side(low, high, margin)
    corner = np.rint((low + high) / 2 - side / 2).astype(int)
    left, top = np.maximum(corner, 0).tolist()
    right, bottom = np.minimum(corner + side, shape[1::-1]).tolist()
    return Window(left, top, max(right - left, 1), max(bottom - top, 1))


def _upright(angle: float) -> NDArray[np.float64]:
    """(2, 2): turns directions that are `angle` degrees clockwise back to the picture's axes."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[cos, sin], [-sin, cos]])


def _box(landmarks: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    return landmarks.min(0), landmarks.max(0)


def _side(low: NDArray[np.floating], high: NDArray[np.floating], margin: float) -> int:
    return max(int(np.ceil((high - low).max() * (1 + 2 * margin))), MIN_SIDE_PX)
