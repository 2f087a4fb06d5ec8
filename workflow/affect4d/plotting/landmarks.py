"""Landmarks drawn on photographs."""

import cv2
import numpy as np
from numpy.typing import NDArray

_GREEN = (40, 200, 90)  # RGB: seen on skin, hair and clothes


def draw_landmarks(
    image: NDArray[np.uint8], points: NDArray[np.floating], radius: int = 1
) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) with points (N, 2), px, as dots of a radius in pixels."""
    marked = image.copy()
    for x, y in points:
        cv2.circle(marked, (round(x), round(y)), radius, _GREEN, -1, cv2.LINE_AA)
    return marked
