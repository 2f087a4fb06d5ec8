"""Names of the face's regions, for what moves there. Sides are the subject's."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.template.ibug68 import CHIN, COUNT, JAW_PAIRS, MIRROR, NASION, NOSE_RIDGE, SUBNASALE

# Landmarks of each region; of those with two sides, the right one's.
_RIGHT = {
    "temple": JAW_PAIRS[0, :1],
    "jaw": JAW_PAIRS[1:7, 0],
    "inner brow": np.array([20, 21]),
    "outer brow": np.array([17, 18, 19]),
    "eye corner": np.array([36, 39]),
    "upper lid": np.array([37, 38]),
    "lower lid": np.array([40, 41]),
    "nose wing": np.array([31, 32]),
    "mouth corner": np.array([48, 60]),
    "upper lip side": np.array([49]),
    "lower lip side": np.array([59]),
    "cheek": np.array([COUNT]),  # from here on the points of `_beyond`
    "forehead side": np.array([COUNT + 1]),
}
_MIDDLE = {
    "chin": np.array([CHIN - 1, CHIN, CHIN + 1]),
    "nose": np.append(NOSE_RIDGE, SUBNASALE),
    "upper lip": np.array([50, 51, 52, 61, 62, 63]),
    "lower lip": np.array([56, 57, 58, 65, 66, 67]),
    "middle forehead": np.array([COUNT + 4]),
}
REGIONS = [(name, "") for name in _MIDDLE] + [(n, s) for n in _RIGHT for s in ("right", "left")]
# Of a region's largest motion, that of its other side: from here on both are named.
MIN_SHARE = 0.5
_DIRECTIONS = (("right", "left"), ("down", "up"), ("back", "forward"))  # along x, y, z


def regions_of(
    vertices: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> NDArray[np.int64]:
    """The region of each vertex of the template, that of the nearest landmark.

    Where there are no landmarks, points derived from them count: of cheeks and forehead.

    Parameters
    ----------
    vertices : (V, 3), mm
    landmarks : (68, 3), mm

    Returns
    -------
    (V,), indices of `REGIONS`
    """
    mirror = np.concatenate([MIRROR, COUNT + np.array([2, 3, 0, 1, 4])])
    marks = _MIDDLE | {
        (name, side): points if side == "right" else mirror[points]
        for name, points in _RIGHT.items()
        for side in ("right", "left")
    }
    region = np.empty(len(mirror), np.int64)
    for number, (name, side) in enumerate(REGIONS):
        region[marks[(name, side) if side else name]] = number
    points = np.concatenate([landmarks, _beyond(landmarks)])
    nearest: NDArray[np.int64] = region[cKDTree(points).query(vertices)[1]]
    return nearest


def _beyond(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    """Right cheek and forehead, the left ones, the forehead's middle: (5, 3) mm."""
    up = landmarks[NASION] - landmarks[SUBNASALE]
    sides = [
        point
        for jaw, mouth, eye, brow in ((2, 48, 36, 19), (14, 54, 45, 24))
        for point in (landmarks[[jaw, mouth, eye]].mean(0), landmarks[brow] + up)
    ]
    return np.array([*sides, landmarks[NASION] + up])


def name_region(field: NDArray[np.floating], regions: NDArray[np.int64]) -> str:
    """The region that a deformation moves most.

    Parameters
    ----------
    field : (V, 3), mm
    regions : (V,), of the template, by `regions_of`

    Returns
    -------
    Such as "chin", "left mouth corner", "cheeks" (both)
    """
    motion = np.linalg.norm(field, axis=1)
    name, side = REGIONS[int(regions[np.argmax(motion)])]
    if not side:
        return name
    other = regions == REGIONS.index((name, "left" if side == "right" else "right"))
    is_both = motion[other].max(initial=0) > MIN_SHARE * motion.max()
    return f"{name}s" if is_both else f"{side} {name}"


def name_regions(fields: Sequence[NDArray[np.floating]], regions: NDArray[np.int64]) -> list[str]:
    """As `name_region`, of several, each with another name.

    Where several move one region, the direction is added: "chin down"; the second of a name with
    its direction is "chin down 2", and so on.
    """
    names = [name_region(field, regions) for field in fields]
    count = Counter(names)
    names = [
        f"{name} {_direction(field)}" if count[name] > 1 else name
        for name, field in zip(names, fields, strict=True)
    ]
    before: Counter[str] = Counter()
    for number, name in enumerate(names):
        before[name] += 1
        names[number] = f"{name} {before[name]}" if before[name] > 1 else name
    return names


def _direction(field: NDArray[np.floating]) -> str:
    """Where the vertex that moves most goes."""
    motion = field[np.argmax(np.linalg.norm(field, axis=1))]
    axis = int(np.argmax(np.abs(motion)))
    return _DIRECTIONS[axis][int(motion[axis] > 0)]
