"""What the pixels say about a photograph: how sharp it is, and whether something covers the face.

Sharpness is the energy of the Laplacian over that of the picture (Pertuz, Puig & Garcia, Pattern
Recognition 2013, LAP4), at one size for every face. Occlusion compares skin with skin: over most of
a bare face the logarithm of the colour is linear in the position, up to shading; what lies in front
of it has another colour. Both are hints for a person who looks through the images.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# Of sharpness.
FACE_PX = 64  # inter-ocular distance at which it is measured
MARGIN = 0.1  # of the landmarks' box, on either side
MIN_VARIANCE = 1.0  # grey levels squared: below it a face has no contrast
# Of the skin that is covered.
GREY_LEVEL = 8.0  # added before the logarithm, so that noise in the dark counts little
LUMINANCE_SPREAD, CHROMA_SPREAD = 0.3, 0.1  # of skin, natural logarithm
MAX_DISTANCE = 3.0  # spreads beyond which a point counts as covered
REWEIGHTINGS = 3
MIN_POINTS = 20  # below which the plane of colours is not determined well


def sharpness(image: NDArray[np.uint8], landmarks: NDArray[np.floating], size: float) -> float:
    """Energy of the Laplacian over that of the face's luminance.

    Parameters
    ----------
    image : (H, W, 3)
    landmarks : (68, 2) pixels
    size : pixels, the face's inter-ocular distance as if seen frontally

    Returns
    -------
    0 where the face has no contrast or lies outside the image.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    margin = MARGIN * (high - low)
    limits = np.array([image.shape[1], image.shape[0]])
    left, top = np.clip(np.floor(low - margin), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(high + margin), 0, limits).astype(int)
    if right - left < 2 or bottom - top < 2:
        return 0.0
    face = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    factor = FACE_PX / size
    shape = [max(round(side * factor), 3) for side in (right - left, bottom - top)]
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(face, shape, interpolation=interpolation).astype(np.float32)
    contrast = float(small.var())
    if contrast <= MIN_VARIANCE:
        return 0.0
    return float(cv2.Laplacian(small, cv2.CV_32F).var()) / contrast


def covered(image: NDArray[np.uint8], points: NDArray[np.floating]) -> float:
    """Share of points on the skin whose colour is not the skin's.

    Parameters
    ----------
    image : (H, W, 3)
    points : (N, 2) pixels, where skin that faces the viewer should be

    Returns
    -------
    0 where fewer than `MIN_POINTS` lie inside the image.
    """
    inside = ((points >= 0) & (points <= [image.shape[1] - 1, image.shape[0] - 1])).all(1)
    points = points[inside].astype(np.float32)
    if len(points) < MIN_POINTS:
        return 0.0
    low = np.floor(points.min(0)).astype(int)
    high = np.ceil(points.max(0)).astype(int) + 1
    part = image[low[1] : high[1], low[0] : high[0]]
    columns, rows = np.ascontiguousarray((points - low.astype(np.float32)).T)[..., None]
    colour = cv2.remap(part, columns, rows, cv2.INTER_LINEAR)[:, 0]
    red, green, blue = np.log(colour.astype(np.float64) + GREY_LEVEL).T
    features = np.stack([red + green + blue, red - green, green - blue], axis=1)
    features /= [3 * LUMINANCE_SPREAD, CHROMA_SPREAD, CHROMA_SPREAD]
    scaled = (points - points.mean(0)) / points.std(0).max()
    known = np.concatenate([scaled, np.ones((len(points), 1))], axis=1)
    weight = np.ones(len(points))
    for _ in range(REWEIGHTINGS):
        weighted = known.T * weight
        plane = np.linalg.lstsq(weighted @ known, weighted @ features, rcond=None)[0]
        distance = np.linalg.norm(features - known @ plane, axis=1)
        weight = 1 / (1 + distance**2)
    return float((distance > MAX_DISTANCE).mean())
