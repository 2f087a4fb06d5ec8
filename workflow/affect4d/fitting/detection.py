"""The 68 landmarks of a face that has no landmark file, by MediaPipe's face mesh if installed.

A detector finds the face at any size, a mesh of 468 points is fitted to an enlarged crop of it
(Kartynnik et al., CVPR workshops 2019), and 68 of these serve as iBUG's. The jaw's are points of
the mesh, not of the silhouette: of turned heads they lie well inside the far cheek.
"""

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

log = logging.getLogger(__name__)

SIDE = 512  # pixels of the enlarged crop: more changes no landmark by a pixel
CROP_SIZE = 2.0  # side of the crop, in sides of the detected box
MIN_CONFIDENCE = 0.5  # of a detection: MediaPipe's default
FULL_RANGE = 1  # MediaPipe's number of the model for faces of any size
# Points of the mesh, in iBUG's order: jaw, brows, nose, eyes, outer and inner lips.
MESH = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


def detect_landmarks(
    image: NDArray[np.uint8],
    name: str | Path = "photograph",
    *,
    near: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Landmarks of the largest face in a photograph, or of the one nearest to a point.

    Parameters
    ----------
    image : (H, W, 3)
    name : for errors
    near : (2,) pixels

    Returns
    -------
    (68, 2) pixels counted from 0, iBUG order.

    Raises
    ------
    BadInput
        There is no face, or no detector is installed.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe's own, before it is imported
    try:
        from mediapipe.python.solutions.face_detection import FaceDetection
        from mediapipe.python.solutions.face_mesh import FaceMesh
    except ImportError:
        raise BadInput(
            name,
            "it has no landmark file, and no detector is installed",
            "mark 68 iBUG points in a .pts file of its name, or run `make detector` once",
        ) from None
    with FaceDetection(MIN_CONFIDENCE, FULL_RANGE) as detector:
        detections = detector.process(image).detections or []
    boxes = [detection.location_data.relative_bounding_box for detection in detections]
    if not boxes:
        raise _no_face(name)
    if near is None:
        box = max(boxes, key=lambda box: box.width * box.height)
    else:
        point = near / [image.shape[1], image.shape[0]]
        box = min(boxes, key=lambda box: np.hypot(*(_middle(box) - point)))
    scale, shift = _crop(box, image.shape)
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    edge = cv2.BORDER_REPLICATE
    part = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=interpolation, borderMode=edge)
    with FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        faces = mesh.process(part).multi_face_landmarks
    if not faces:
        raise _no_face(name)
    points = faces[0].landmark
    log.debug("%s: landmarks by MediaPipe's face mesh", name)
    landmarks = np.array([[points[n].x, points[n].y] for n in MESH]) * SIDE - 0.5
    return (landmarks - shift) / scale


def has_detector() -> bool:
    """Whether MediaPipe is installed."""
    return find_spec("mediapipe") is not None


def _middle(box: Any) -> NDArray[np.float64]:
    """Middle of a box (x, y), in sides of the photograph."""
    return np.array([box.xmin + box.width / 2, box.ymin + box.height / 2])


def _crop(box: Any, shape: tuple[int, ...]) -> tuple[float, NDArray[np.float64]]:
    """Scale and shift from the photograph's pixels to those of a square crop around a box."""
    size = np.array([shape[1], shape[0]])
    extent = np.array([box.width, box.height]) * size
    middle = _middle(box) * size - 0.5
    scale = float(SIDE / (CROP_SIZE * extent.max()))
    return scale, (SIDE - 1) / 2 - scale * middle


def _no_face(name: str | Path) -> BadInput:
    return BadInput(name, "no face is found in it", "mark 68 iBUG points in a .pts file")
