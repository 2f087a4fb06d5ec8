"""The jaw's contour: which vertices stand for the 17 jaw landmarks in a given view.

Annotators put the jaw points of a turned head on the visible silhouette, not on the anatomical
jaw, so the correspondence depends on pose (Bas et al., ACCV workshops 2016; the lines that run
from the jaw towards the middle of the face follow Cao et al., SIGGRAPH 2014).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.template.ibug68 import JAW, JAW_ENDS, NOSE, SUBNASALE

# Candidates on a line, as shares of the distance from the jaw to the middle of the face.
SHARES = np.linspace(-0.15, 0.75, 31)
JAW_WIDTH = 0.2  # share within which a candidate still passes for the anatomical jaw
HIDDEN = -0.2  # cosine towards the viewer below which the head hides a candidate
CHIN_RISE = 0.35  # share of the way to the nose that the lines of the chin climb
MIN_RADIUS = 0.5  # of the jaw's smallest, so that no candidate lies inside the head


def contour_lines(
    vertices: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Candidate vertices for each jaw landmark.

    A line starts somewhat behind its landmark and runs over the surface, in cylindrical
    coordinates about the head's vertical axis, towards the middle of the face.

    Parameters
    ----------
    vertices : (V, 3) mm
    landmarks : (68, 3) mm

    Returns
    -------
    (17, 31) vertex indices.
    """
    axis = np.array([landmarks[NOSE, 0].mean(), landmarks[JAW_ENDS, 2].mean()])
    jaw, middle = landmarks[JAW], landmarks[SUBNASALE]
    angle, height, radius = _cylinder(jaw, axis)
    rise = CHIN_RISE * np.cos(angle) ** 2 * (middle[1] - jaw[:, 1])
    angles = angle[:, None] * (1 - SHARES)
    heights = height[:, None] + rise[:, None] * SHARES
    surface_angle, surface_height, surface_radius = _cylinder(vertices, axis)
    outer = surface_radius > MIN_RADIUS * radius.min()
    millimetres = radius.mean()
    tree = cKDTree(np.stack([surface_angle * millimetres, surface_height], axis=1)[outer])
    nearest = tree.query(np.stack([angles * millimetres, heights], axis=-1))[1]
    candidates: NDArray[np.int64] = np.flatnonzero(outer)[nearest]
    return candidates


def _cylinder(
    points: NDArray[np.floating], axis: NDArray[np.float64]
) -> tuple[NDArray[np.floating], ...]:
    """Angle from straight ahead (rad), height and radius (mm) about a vertical axis (x, z)."""
    x, z = points[:, 0] - axis[0], points[:, 2] - axis[1]
    return np.arctan2(x, z), points[:, 1], np.hypot(x, z)


def pick_contour(
    projected: NDArray[np.float64],
    facing: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    *,
    reach: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Choose one candidate per jaw landmark: near it, on the silhouette or on the anatomical jaw.

    Parameters
    ----------
    projected : (N, 17, C, 2) pixels, the candidates in N images
    facing : (N, 17, C), cosine between a candidate's normal and the direction to the viewer
    landmarks : (N, 17, 2) pixels
    reach : (N,) pixels
        A candidate that can be neither counts as this much farther away.

    Returns
    -------
    (N, 17) column of each line's choice
    """
    distance = np.linalg.norm(projected - landmarks[:, :, None], axis=3)
    from_jaw = np.abs(SHARES) / JAW_WIDTH
    unlikely = np.where(facing < HIDDEN, 1.0, np.minimum(np.abs(facing), from_jaw))
    columns: NDArray[np.int64] = np.argmin(distance + reach[:, None, None] * unlikely, axis=2)
    return columns
