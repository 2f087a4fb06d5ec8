"""What the readers say of many pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect4d.artifacts.readers import EXPRESSIONS as EXPRESSIONS
from affect4d.fitting.detection import detect_landmarks
from affect4d.quarantine import BadInput
from affect4d.readers.crops import cut_chip, cut_face
from affect4d.readers.environment import find_obstacle, run_models
from affect4d.template.ibug68 import COUNT


@dataclass(frozen=True, eq=False)
class Readings:
    """What was read of N pictures; NaN where no face was found.

    Attributes
    ----------
    landmarks : (N, 68, 2) float64, pixels, iBUG order
    probabilities : (N, 7) float64, of EXPRESSIONS
    identity : (N, 128) float64; distances of the same person are about .2 to .4, of two .7 to 1
    """

    landmarks: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    identity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.landmarks)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int_] | slice) -> "Readings":
        return Readings(self.landmarks[rows], self.probabilities[rows], self.identity[rows])

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether a face was found (N,)."""
        return np.isfinite(self.identity[:, 0])

    @property
    def expression(self) -> list[str]:
        """The most probable of EXPRESSIONS, "" where no face was found."""
        best = np.nan_to_num(self.probabilities).argmax(axis=1)
        pairs = zip(best, self.found, strict=True)
        return [EXPRESSIONS[number] if found else "" for number, found in pairs]

    def distance(self, other: "Readings") -> NDArray[np.float64]:
        """Distance of identity (N,) of each picture to that of `other`, or to its only one."""
        distances: NDArray[np.float64] = np.linalg.norm(self.identity - other.identity, axis=1)
        return distances


def read_faces(
    images: Iterable[NDArray[np.uint8]],
    landmarks: Sequence[NDArray[np.floating]] | None = None,
) -> Readings:
    """Read the largest face of each picture.

    Parameters
    ----------
    images : (H, W, 3) each
    landmarks : (68, 2) pixels of each; detected if absent

    Raises
    ------
    BadInput
        The readers, or the detector that they need without landmarks, are not installed.
    """
    if obstacle := find_obstacle(detector=landmarks is None):
        raise obstacle
    points, faces, chips = [], [], []
    for number, image in enumerate(images):
        found = _find(image) if landmarks is None else np.asarray(landmarks[number], float)
        points.append(found)
        if np.isfinite(found).all():
            faces.append(cut_face(image, found))
            chips.append(cut_chip(image, found))
    marks = np.array(points, dtype=float).reshape(-1, COUNT, 2)
    probabilities, identity = np.full((len(marks), 7), np.nan), np.full((len(marks), 128), np.nan)
    if faces:
        rows = np.isfinite(marks).all(axis=(1, 2))
        probabilities[rows], identity[rows] = run_models(np.array(faces), np.array(chips))
    return Readings(marks, probabilities, identity)


def _find(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Landmarks (68, 2), NaN where no face is found."""
    try:
        return detect_landmarks(image)
    except BadInput:
        return np.full((COUNT, 2), np.nan)
