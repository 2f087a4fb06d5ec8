"""The dense flow between two photographs of a person (DIS, Kroeger et al., ECCV 2016)."""

import cv2
import numpy as np
from readers_landmarks import EYES_MM
from scipy.interpolate import RBFInterpolator
from skimage.transform import SimilarityTransform

from affect4d.synthesis.editing.scene import LUMINANCE
from affect4d.template.ibug68 import OUTER_EYE_CORNERS

PER_MM, WIDTH, HEIGHT, EYES_ROW = 5.0, 800, 1000, 330  # pixels
LIGHT_MM = 2.5  # standard deviation of what counts as light and is removed
SMOOTH_MM = 1.0  # of the flow
HALVINGS = (3, 2, 1)  # of the pictures, one pass each
SPLINE_STEP, SPLINE_NOISE = 10, 2.0  # pixels; of landmarks, pixels^2
MIDDLE, LEVELS_PER_SD, CAMERA_NOISE = 128, 40, 2.0  # grey levels


def follow(before, landmarks, after):
    """Landmarks (68, 2) of a photograph, and where the flow alone finds them in another one.

    Nothing is detected in the other, whose camera is the same. Pixels of the frame of `bring`.
    """
    (start_image, start), (end_image, _) = (bring(image, landmarks) for image in (before, after))
    return start, start + at(flow(start_image, end_image), start)


def bring(image, landmarks):
    """A photograph (HEIGHT, WIDTH, 3) and landmarks, the outer eye corners at one place."""
    half = EYES_MM / 2 * PER_MM
    eyes = np.array([[WIDTH / 2 - half, EYES_ROW], [WIDTH / 2 + half, EYES_ROW]])
    face = SimilarityTransform.from_estimate(landmarks[OUTER_EYE_CORNERS], eyes)
    matrix = face.params[:2]
    return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA), face(landmarks)


def flow(before, after, first=0.0):
    """(HEIGHT, WIDTH, 2) pixels from one photograph to the other, searched from `first` on."""
    found = np.zeros((HEIGHT, WIDTH, 2), np.float32) + first
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    pattern = _pattern(before)
    for halvings in HALVINGS:
        there = (columns + found[..., 0], rows + found[..., 1])
        warped = _pattern(cv2.remap(after, *there, cv2.INTER_LINEAR))
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(halvings)
        step = cv2.GaussianBlur(search.calc(pattern, warped, None), (0, 0), SMOOTH_MM * PER_MM)
        found = found + step
    return found


def spline(start, end):
    """(HEIGHT, WIDTH, 2) pixels, the flow that brings landmarks (68, 2) to others."""
    edge = [[x, y] for x in (0, WIDTH / 2, WIDTH) for y in (0, HEIGHT / 2, HEIGHT)]
    edge.remove([WIDTH / 2, HEIGHT / 2])
    field = RBFInterpolator(
        np.vstack([start, edge]),
        np.vstack([end - start, np.zeros_like(edge)]),
        smoothing=SPLINE_NOISE,
    )
    y, x = np.mgrid[0:HEIGHT:SPLINE_STEP, 0:WIDTH:SPLINE_STEP].astype(float)
    coarse = field(np.c_[x.ravel(), y.ravel()]).reshape(*x.shape, 2).astype(np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def _pattern(image):
    """(HEIGHT, WIDTH) uint8, the luminance without the light on it, of even contrast."""
    grey = np.asarray(image @ LUMINANCE, np.float32)
    sigma = LIGHT_MM * PER_MM
    contrast = grey - cv2.GaussianBlur(grey, (0, 0), sigma)
    spread = np.sqrt(cv2.GaussianBlur(contrast**2, (0, 0), 2 * sigma))
    levels = MIDDLE + LEVELS_PER_SD * contrast / (spread + CAMERA_NOISE)
    return np.clip(levels, 0, 255).astype(np.uint8)


def at(field, points):
    """A flow (N, 2) at the pixels nearest to points (N, 2)."""
    columns, rows = np.rint(np.clip(points, 0, [WIDTH - 1, HEIGHT - 1])).astype(int).T
    return field[rows, columns]
