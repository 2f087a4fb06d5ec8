"""MediaPipe's networks: what may be a face in a picture, and the mesh of one in a square of it.

Two networks find faces near the camera and far from it (BlazeFace, Bazarevsky et al., CVPR
workshops 2019); a third fits a mesh of 468 points to a square around one, and says how surely there
is one (Kartynnik et al., CVPR workshops 2019). Nothing here decides on what is a face.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

VIEW_SIDE = 256  # pixels of a square that is searched: the networks' inputs have 192 and 128
MESH_SIDE = 192  # pixels, the input of the mesh's network
MARGIN = 1.5  # side of a face's square over the longer side of its mesh, as MediaPipe has it
SHORT_RANGE, FULL_RANGE = 0, 1  # MediaPipe's numbers of the networks that find faces
MIN_CONFIDENCE = 0.5  # of a detection: MediaPipe's default
IRISES = 10  # points of a mesh beyond its surface
OUTER_EYE_CORNERS = (33, 263)  # of a mesh
_PRESENCE = "facelandmarkcpu__face_presence_score"
_THRESHOLD = "facelandmarkcpu__ThresholdingCalculator.threshold"
_GRAPH = """
input_stream: "IMAGE:image"
input_stream: "ROI:square"
input_side_packet: "WITH_ATTENTION:with_attention"
output_stream: "LANDMARKS:landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:square"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


@dataclass(frozen=True)
class Square:
    """A square of a picture.

    Attributes
    ----------
    middle : (2,) pixels counted from 0
    side : pixels
    angle : radians, clockwise, from the picture's rows to the square's
    """

    middle: Points
    side: float
    angle: float

    def turned(self, *, by: float = 0, times: float = 1) -> "Square":
        """The square about the same middle, turned clockwise (radians) and enlarged."""
        return replace(self, side=self.side * times, angle=self.angle + by)

    def matrix(self, side: int) -> Points:
        """(2, 3) from pixels of the picture to those of the square cut at `side` pixels."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]]) * side / self.side
        return np.column_stack([turn, (side - 1) / 2 - turn @ self.middle])

    def cut(self, image: Image, side: int) -> Image:
        """The square at `side` pixels; what lies beyond the picture repeats its edge."""
        matrix = self.matrix(side)
        height, width = image.shape[:2]
        scale = side / self.side
        if scale < 1:  # reduced first: interpolation alone would skip pixels
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            ratio = np.array([width, height]) / size
            matrix[:, 2] += matrix[:, :2] @ (ratio - 1) / 2
            matrix[:, :2] *= ratio
        flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
        border = cv2.BORDER_REPLICATE
        part = cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=border)
        return np.asarray(part, np.uint8)

    def to_picture(self, points: Points, side: int) -> Points:
        """Points (N, 2) of the square cut at `side` pixels, in pixels of the picture."""
        matrix = self.matrix(side)
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


@dataclass(frozen=True)
class Mesh:
    """The mesh of a face.

    Attributes
    ----------
    points : (478, 2) pixels of the picture: the surface's, then the irises'
    presence : probability, as the network has it, that there is a face
    """

    points: Points
    presence: float

    @property
    def square(self) -> Square:
        """The square around it in which the eyes are level, enlarged by MARGIN."""
        right, left = self.points[list(OUTER_EYE_CORNERS)]
        angle = float(np.arctan2(*(left - right)[::-1]))
        upright = Square(np.zeros(2), 1, angle).matrix(1)[:, :2]
        surface = self.points[:-IRISES] @ upright.T
        low, high = surface.min(0), surface.max(0)
        return Square(upright.T @ ((low + high) / 2), MARGIN * float((high - low).max()), angle)


def find_squares(image: Image, view: Square) -> Iterator[tuple[float, Square]]:
    """Confidence and square of everything in a view of the picture that may be a face."""
    part = view.cut(image, VIEW_SIDE)
    scale = view.side / VIEW_SIDE
    for network in (SHORT_RANGE, FULL_RANGE):
        for detection in _detector(network).process(part).detections or []:
            box = detection.location_data.relative_bounding_box
            eyes = detection.location_data.relative_keypoints[:2]
            middle = np.array([[box.xmin + box.width / 2, box.ymin + box.height / 2]])
            right, left = (np.array([eye.x, eye.y]) for eye in eyes)
            yield (
                float(detection.score[0]),
                Square(
                    view.to_picture(middle * VIEW_SIDE - 0.5, VIEW_SIDE)[0],
                    MARGIN * max(box.width, box.height) * VIEW_SIDE * scale,
                    view.angle + float(np.arctan2(*(left - right)[::-1])),
                ),
            )


def confirm(image: Image, square: Square) -> float:
    """Sum of both networks' confidence, 0 to 2, that there is a face in a square."""
    part = square.cut(image, VIEW_SIDE)
    found = [_detector(network).process(part).detections for network in (SHORT_RANGE, FULL_RANGE)]
    return sum(max((float(one.score[0]) for one in faces or []), default=0) for faces in found)


def fit_mesh(image: Image, square: Square, *, mirrored: bool = False) -> Mesh:
    """The mesh of what is in a square, as a face or not.

    Parameters
    ----------
    image : (H, W, 3)
    square : around the face, about MARGIN as large
    mirrored : look at the square's mirror image; the mesh's right is then the face's left
    """
    part = square.cut(image, MESH_SIDE)
    if mirrored:
        part = np.ascontiguousarray(part[:, ::-1])
    graph, whole = _mesh_graph()
    found = graph.process({"image": part, "square": whole})
    points = np.array([[point.x, point.y] for point in found.landmarks.landmark]) * MESH_SIDE - 0.5
    if mirrored:
        points[:, 0] = MESH_SIDE - 1 - points[:, 0]
    return Mesh(square.to_picture(points, MESH_SIDE), float(getattr(found, _PRESENCE)))


@lru_cache
def _detector(network: int) -> Any:
    """A network that finds faces, loaded once."""
    from mediapipe.python.solutions.face_detection import FaceDetection

    return FaceDetection(MIN_CONFIDENCE, network)


@lru_cache
def _mesh_graph() -> tuple[Any, Any]:
    """The network of the mesh, loaded once, and the square that is the whole of a picture."""
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect
    from mediapipe.python.solution_base import SolutionBase

    graph = SolutionBase(
        graph_config=_GRAPH,
        side_inputs={"with_attention": True},
        outputs=["landmarks", _PRESENCE],
        calculator_params={_THRESHOLD: 0.0},  # its points in any case
    )
    return graph, NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1, rotation=0)
