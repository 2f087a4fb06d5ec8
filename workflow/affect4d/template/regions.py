"""Names of the face's regions, for what moves there. Sides are the subject's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affect4d.template.ibug68 import CHIN, JAW_PAIRS, MIRROR, NOSE

_RIGHT = {
    "jaw": JAW_PAIRS[1:6, 0],
    "inner brow": np.array([20, 21]),
    "outer brow": np.array([17, 18, 19]),
    "upper lid": np.array([37, 38]),
    "lower lid": np.array([40, 41]),
    "mouth corner": np.array([48, 60]),
}
_MIDDLE = {
    "chin": np.array([CHIN - 1, CHIN, CHIN + 1]),
    "nose": NOSE,
    "upper lip": np.array([50, 51, 52, 61, 62, 63]),
    "lower lip": np.array([56, 57, 58, 65, 66, 67]),
}
ELSEWHERE = "cheek, forehead or temple"  # where there are no landmarks
# Of the largest motion, that of the landmarks or of a region's other side: less is another place.
MIN_SHARE = 0.5


def name_region(field: NDArray[np.floating], landmark_vertices: NDArray[np.int64]) -> str:
    """The region that a deformation moves most.

    Parameters
    ----------
    field : (V, 3), mm
    landmark_vertices : (68,)

    Returns
    -------
    Such as "chin", "left mouth corner", "inner brows" (both), or `ELSEWHERE`
    """
    motion = np.linalg.norm(field[landmark_vertices], axis=1)
    if not motion.max() > MIN_SHARE * np.linalg.norm(field, axis=1).max():
        return ELSEWHERE
    means = {(name, ""): motion[marks].mean() for name, marks in _MIDDLE.items()}
    for name, marks in _RIGHT.items():
        means[name, "right"] = motion[marks].mean()
        means[name, "left"] = motion[MIRROR[marks]].mean()
    name, side = max(means, key=lambda region: float(means[region]))
    if not side:
        return name
    other = means[name, "left" if side == "right" else "right"]
    return f"{name}s" if other > MIN_SHARE * means[name, side] else f"{side} {name}"


def name_regions(
    fields: Sequence[NDArray[np.floating]], landmark_vertices: NDArray[np.int64]
) -> list[str]:
    """As `name_region`, of several; the second of a name is "NAME 2", and so on."""
    names: list[str] = []
    for field in fields:
        region = name_region(field, landmark_vertices)
        count = sum(name == region or name.startswith(f"{region} ") for name in names)
        names.append(f"{region} {count + 1}" if count else region)
    return names
