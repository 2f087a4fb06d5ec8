"""Parts of photographs around the face: squares of a fixed size, windows at full resolution."""

from dataclasses import dataclass

import cv2
import numpy as np

from affect4d.fitting.quality import outside

MOST = 0.5  # of the landmarks


@dataclass(frozen=True)
class Crop:
    """A rectangle of a photograph, resampled.

    Attributes
    ----------
    left, top, width, height : int, pixels of the photograph; may reach beyond its edge
    zoom : float, pixels of the crop a pixel of the photograph
    """

    left: int
    top: int
    width: int
    height: int
    zoom: float = 1.0

    def apply(self, xy):
        """Pixels of the photograph (..., 2) to pixels of the crop; centres at integers."""
        return (np.asarray(xy) - [self.left, self.top] + 0.5) * self.zoom - 0.5

    def view(self, image):
        """The rectangle of a photograph (H, W, 3) itself, without a copy; it must lie inside."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def cut(self, image):
        """The crop of a photograph (H, W, 3) uint8; beyond its edge the edge is repeated."""
        height, width = image.shape[:2]
        before = max(0, -self.left, -self.top)
        after = max(0, self.left + self.width - width, self.top + self.height - height)
        pad = max(before, after)
        if pad:
            image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        shifted = Crop(self.left + pad, self.top + pad, self.width, self.height)
        part = shifted.view(image)
        if self.zoom == 1:
            return part.copy()
        size = (round(self.width * self.zoom), round(self.height * self.zoom))
        way = cv2.INTER_AREA if self.zoom < 1 else cv2.INTER_CUBIC
        return cv2.resize(part, size, interpolation=way)


def square_around(landmarks, margin, size):
    """The square Crop of `size` pixels around landmarks (68, 2) px.

    `margin` on each side is in units of the landmarks' extent.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    side = max(int(np.ceil((high - low).max() * (1 + 2 * margin))), 8)
    left, top = np.rint((low + high) / 2 - side / 2).astype(int).tolist()
    return Crop(left, top, side, side, size / side)


def window_around(landmarks, margin, shape):
    """The Crop at the photograph's own size around landmarks (68, 2) px, inside the photograph.

    Raises
    ------
    ValueError
        Most of the landmarks lie outside the photograph.
    """
    if outside(landmarks, shape).mean() > MOST:
        raise ValueError("most of the face lies outside the photograph")
    square = square_around(landmarks, margin, 1)
    left, top = max(square.left, 0), max(square.top, 0)
    right = min(square.left + square.width, shape[1])
    bottom = min(square.top + square.height, shape[0])
    return Crop(left, top, max(right - left, 1), max(bottom - top, 1))
