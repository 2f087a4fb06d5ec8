"""Whether landmarks belong to their picture: by a detector, or else by gradients at eyes and mouth.

Lids and lips are edges. Landmarks that follow them meet stronger gradients across their contour
than the same contours moved aside do; landmarks of a picture of another size, of another crop or of
another face do not. A hint for a person who looks at the picture, not a proof.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.detection import detect_landmarks
from affect4d.fitting.detector import has_detector
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import LEFT_EYE, MOUTH, OUTER_EYE_CORNERS, OUTER_LIPS, RIGHT_EYE

# Twice the largest distance on 16 pictures that hold no face of those it is reported on
# (benchmarks/foreign_landmarks.py --derive): 4 photographs of package data and 12 portraits, 0.049.
MAX_DISTANCE = 0.1  # inter-ocular distances, median over eyes and mouth, from the detector's
# On the same: midway (of logarithms) from 1.54, the weakest right landmarks, to 1.03, the strongest
# of half the size.
MIN_EVIDENCE = 1.26  # 1: contours lie on edges no stronger than those around
FACE_PX = 64  # inter-ocular distance at which gradients are measured
SMOOTHING_PX = 1.0  # standard deviation: less than half of a narrowed eye's height
MARGIN = 1.0  # inter-ocular distances around eyes and mouth
OFFSETS = (0.25, 0.4)  # inter-ocular distances of contours moved aside: clear of the features
DIRECTIONS = 8
PER_EDGE = 4  # samples along each edge of a contour
NOISE = 0.5  # grey levels per pixel added to both gradients: what a flat picture has
_CONTOURS = (RIGHT_EYE, LEFT_EYE, OUTER_LIPS)
_FEATURES = np.concatenate([RIGHT_EYE, LEFT_EYE, MOUTH])
_REMEDY = "look at them; mark them on this very picture"


def describe_mismatch(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> str:
    """One line on landmarks that seem not to belong to a picture; "" where they seem to.

    Parameters
    ----------
    image : (H, W, 3)
    landmarks : (68, 2) pixels counted from 0
    """
    distance = _distance_from_detected(image, landmarks) if has_detector() else np.nan
    if distance <= MAX_DISTANCE:
        return ""
    if distance > MAX_DISTANCE:
        what = f"a detector finds the face's {distance:.2f} inter-ocular distances away"
    else:
        evidence = gradient_evidence(image, landmarks)
        if evidence >= MIN_EVIDENCE:
            return ""
        what = f"no edges lie along eyes or mouth (evidence {evidence:.2f})"
    return f"the landmarks seem not to belong to the picture: {what}; {_REMEDY}"


def _distance_from_detected(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """Median distance of eyes and mouth from the nearest face found; NaN where none is found."""
    try:
        found = detect_landmarks(image, near=landmarks.mean(0))
    except BadInput:
        return np.nan
    right, left = found[OUTER_EYE_CORNERS]
    distance = np.linalg.norm(landmarks[_FEATURES] - found[_FEATURES], axis=1)
    return float(np.median(distance) / np.linalg.norm(left - right))


def gradient_evidence(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """The gradient across a contour over that of the same contour moved aside, at the weakest.

    Of either eye and the lips; about 1 where landmarks do not follow them.
    """
    grey, points = _resample(image, landmarks)
    slopes = [cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
    gradient = np.stack(slopes, axis=-1).astype(np.float32)
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    offsets = np.concatenate([radius * FACE_PX * ring for radius in OFFSETS])
    evidence = []
    for contour in _CONTOURS:
        samples, normals = _sample(points[contour])
        there = _gradient_across(gradient, samples, normals)
        aside = [_gradient_across(gradient, samples + offset, normals) for offset in offsets]
        evidence.append((there + NOISE) / (np.median(aside) + NOISE))
    return float(min(evidence))


def _resample(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.floating]]:
    """Luminance around eyes and mouth at FACE_PX, and the landmarks in it."""
    right, left = landmarks[OUTER_EYE_CORNERS]
    size = max(float(np.linalg.norm(left - right)), 1.0)
    scale = FACE_PX / size
    low = landmarks[_FEATURES].min(0) - MARGIN * size
    high = landmarks[_FEATURES].max(0) + MARGIN * size
    width, height = np.ceil((high - low) * scale).astype(int)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:  # the pixels of a smaller picture are means over those of a larger
        grey = cv2.GaussianBlur(grey, (0, 0), 0.5 / scale)
    matrix = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]])
    part = cv2.warpAffine(
        grey.astype(np.float32), matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    smooth = cv2.GaussianBlur(part, (0, 0), SMOOTHING_PX).astype(np.float32)
    return smooth, (landmarks - low) * scale


def _sample(contour: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Points along a closed contour (N, 2) and the unit normals there."""
    following = np.roll(contour, -1, axis=0)
    at = ((np.arange(PER_EDGE) + 0.5) / PER_EDGE)[None, :, None]
    samples = contour[:, None] * (1 - at) + following[:, None] * at
    edges = following - contour
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(float).tiny)
    return samples.reshape(-1, 2), np.repeat(normals, PER_EDGE, axis=0)


def _gradient_across(
    gradient: NDArray[np.float32],
    samples: NDArray[np.floating],
    normals: NDArray[np.floating],
) -> float:
    """Mean size of the gradient along the normals, grey levels per pixel."""
    columns, rows = samples.astype(np.float32).T[..., None]
    there = cv2.remap(gradient, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[
        :, 0
    ]
    sobel = 8.0  # sum of the kernel's weights, by which a gradient is larger
    return float(np.abs((there * normals).sum(1)).mean() / sobel)
