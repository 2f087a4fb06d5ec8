"""How far landmarks moved between two photographs of a person, in mm of a face of one size."""

import numpy as np
from skimage.transform import SimilarityTransform

EYES_MM = 90.0  # distance of the outer eye corners of every face
STILL = [36, 39, 42, 45, 27, 28, 29]  # eye corners and bridge of the nose, which align two faces
ROWS = (
    "mouth corner outward",
    "mouth corner up",
    "upper lip up",
    "inner lips open",
    "chin down",
    "lower lid up",
)
LOWER_LIDS, CORNERS, UPPER_LIP, INNER_LIPS, CHIN = [40, 41, 46, 47], [48, 54], 51, [62, 66], 8


def displacements(before, after):
    """Displacements (N, 68, 2) mm of landmarks (N, 68, 2): x to the picture's right, y down.

    Both are turned so that the eyes are level before, and aligned by eye corners and nose bridge.
    """
    return np.array([_displacement(*pair) for pair in zip(before, after, strict=True)])


def in_mm(moved, before):
    """Displacements (N, 68, 2) pixels of landmarks `before` (N, 68, 2), in mm, the eyes level."""
    return np.array([each @ _frame(marks) for each, marks in zip(moved, before, strict=True)])


def _displacement(before, after):
    frame = _frame(before)
    start, end = before @ frame, after @ frame
    align = SimilarityTransform.from_estimate(end[STILL], start[STILL])
    return align(end) - start


def _frame(landmarks):
    """(2, 2): pixels of a face with these landmarks (68, 2) to mm, the eyes level."""
    (x, y) = across = landmarks[45] - landmarks[36]
    return EYES_MM / (across @ across) * np.array([[x, -y], [y, x]])


def measures(moved):
    """{row of ROWS: (N,) mm} of displacements (N, 68, 2)."""
    x, y = moved[..., 0], moved[..., 1]
    right, left = CORNERS
    top, bottom = INNER_LIPS
    values = (
        (x[:, left] - x[:, right]) / 2,
        -y[:, CORNERS].mean(1),
        -y[:, UPPER_LIP],
        y[:, bottom] - y[:, top],
        y[:, CHIN],
        -y[:, LOWER_LIDS].mean(1),
    )
    return dict(zip(ROWS, values, strict=True))
