"""How far landmarks moved between two photographs of a person, in mm of a face of one size."""

import numpy as np
import pandas as pd
from skimage.transform import SimilarityTransform

from affect4d.readers.motion import agreement
from affect4d.template.ibug68 import BROWS, INNER_LIPS, OUTER_LIPS

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
PLACES = {"brows": BROWS, "outer lips": OUTER_LIPS, "inner lips": INNER_LIPS}
LOWER_LIDS, CORNERS, UPPER_LIP, MOUTH_GAP, CHIN = [40, 41, 46, 47], [48, 54], 51, [62, 66], 8


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
    top, bottom = MOUTH_GAP
    values = (
        (x[:, left] - x[:, right]) / 2,
        -y[:, CORNERS].mean(1),
        -y[:, UPPER_LIP],
        y[:, bottom] - y[:, top],
        y[:, CHIN],
        -y[:, LOWER_LIDS].mean(1),
    )
    return dict(zip(ROWS, values, strict=True))


def measures_table(moved):
    """Median and quartiles over people of ROWS, of {name: displacements (N, 68, 2)}."""
    rows = {
        name: {row: quartiles(values) for row, values in measures(each).items()}
        for name, each in moved.items()
    }
    return pd.DataFrame(rows).T


def quartiles(values, digits=1):
    """Median and quartiles as text."""
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def motion_found(found, asked):
    """How displacements agree with those asked for, medians over people (N).

    Both are {name: (N, 68, 2) mm}. The table has a row for each name of `asked`: correlation,
    amplitude, and by how many mm landmarks of PLACES are off.
    """
    rows = {}
    for name, wanted in asked.items():
        agreed = zip(("correlation", "amplitude"), agreement(found[name], wanted), strict=True)
        off = np.linalg.norm(found[name] - wanted, axis=-1)
        rows[name] = {what: np.nanmedian(values) for what, values in agreed}
        rows[name] |= {place: np.nanmedian(off[:, points]) for place, points in PLACES.items()}
    return pd.DataFrame(rows).T
