"""How far the skin goes with an action unit, where the face units move too little of it.

MPFB's face units move the outlines of lips, nose and lids, and hardly any of the flesh beneath:
cheeks stay flat, a smile does not draw the lips back around the teeth, a raised chin stays where
it is. ICT-FaceKit's expression shapes are made from scans of people (Li et al., CVPR 2020); what
its skin does at points of the face is measured by `benchmarks/unit_motion.py`, and units follow
it there. Its shapes are extremes: full intensity here is SHARE of them, as the corner of the mouth
goes in people's smiles (docs/gallery.md).
"""

from collections.abc import Mapping

import igl
import numpy as np
from numpy.typing import NDArray

from affect4d.template.ibug68 import (
    BROWS,
    EYES,
    LOWER_LIDS,
    MIRROR,
    NASION,
    NOSE_TIP,
    OUTER_EYE_CORNERS,
)
from affect4d.template.template import Template

Floats = NDArray[np.float64]

SHARE = 0.8  # of the motion of ICT-FaceKit's shapes
EYES_MM = 90.0  # distance of the outer eye corners on the face that mm are given for
# Points of the left side: landmarks between which they lie, and mm outwards and upwards from there.
# Those between landmarks of the middle line have no counterpart on the other side.
POINTS: dict[str, tuple[tuple[int, ...], tuple[float, float]]] = {
    "lower lid": ((46, 47), (0, 0)),
    "side of the nose": ((29, 35), (4, 4)),
    "nose's wing": ((35,), (3, 2)),
    "beside the wing": ((35,), (8, 2)),
    "cheek": ((45, 54), (5, 0)),
    "front of the cheek": ((46, 54), (0, 0)),
    "beside the mouth": ((35, 54), (8, 0)),
    "philtrum": ((33, 51), (0, 0)),
    "upper lip": ((51,), (0, 0)),
    "side of the upper lip": ((52,), (0, 0)),
    "corner": ((54,), (0, 0)),
    "beside the corner": ((54,), (8, 0)),
    "beyond the corner": ((54,), (16, 4)),
    "lower lip": ((57,), (0, 0)),
    "side of the lower lip": ((56,), (0, 0)),
    "chin": ((8, 57), (0, 0)),
    "side of the chin": ((8, 56), (6, 0)),
}
KEEP = np.nan  # the face units' own
# Of each unit: where points go, mm outwards, upwards and forwards, SHARE of ICT-FaceKit's. The lips
# of smiles are fitted to photographs from the front, which leaves their depth. Where lips part, the
# face units lift nose and philtrum with the upper lip; where they are stretched, cheeks go with
# them nearly as far as the lips.
MOTION: dict[str, dict[str, tuple[float, float, float]]] = {
    "AU6": {
        "lower lid": (KEEP, 1.7, KEEP),
        "cheek": (0.0, 3.6, 1.5),
        "front of the cheek": (0.3, 2.5, 0.7),
        "beside the mouth": (0.9, 1.4, -1.1),
        "beyond the corner": (0.9, 2.8, 0.0),
    },
    "AU9": {
        "side of the nose": (0.4, 3.6, 1.2),
        "nose's wing": (0.2, 6.7, 0.5),
        "beside the wing": (-0.3, 7.5, 0.5),
        "cheek": (-1.0, 6.7, 2.4),
        "front of the cheek": (-1.2, 7.6, 2.2),
        "beside the mouth": (-0.9, 7.6, -0.4),
        "philtrum": (0.0, 5.2, -0.6),
        "upper lip": (0.0, 6.2, -0.5),
        "side of the upper lip": (0.4, 6.7, -0.4),
    },
    "AU10": {
        "side of the nose": (1.0, 1.9, -0.4),
        "nose's wing": (1.7, 4.8, -0.9),
        "beside the wing": (2.0, 5.3, -1.3),
        "cheek": (1.3, 3.2, 1.8),
        "front of the cheek": (1.7, 4.0, 2.0),
        "beside the mouth": (1.0, 5.9, -1.3),
        "philtrum": (0.0, 4.8, -1.8),
        "upper lip": (0.0, 6.3, -1.0),
        "side of the upper lip": (1.1, 6.7, -0.9),
    },
    "AU12": {
        "lower lid": (KEEP, 0.5, KEEP),
        "nose's wing": (KEEP, KEEP, -1.0),
        "beside the wing": (KEEP, KEEP, -1.2),
        "cheek": (2.9, 3.3, 1.6),
        "front of the cheek": (2.7, 2.9, 0.4),
        "beside the mouth": (KEEP, KEEP, -5.3),
        "philtrum": (KEEP, 1.9, -2.1),
        "upper lip": (KEEP, KEEP, -2.6),
        "side of the upper lip": (KEEP, KEEP, -3.2),
        # outwards, and beside and beyond the corner upwards, as in photographs
        # (benchmarks/smile_skin.py): face units and ICT-FaceKit's shape both go farther
        "corner": (4.9, KEEP, -7.2),
        "beside the corner": (4.4, 6.6, -5.7),
        "beyond the corner": (1.8, 1.2, -2.6),
        "lower lip": (KEEP, KEEP, -1.6),
        "side of the lower lip": (KEEP, KEEP, -2.9),
        "chin": (KEEP, 3.4, KEEP),
        "side of the chin": (KEEP, 3.7, KEEP),
    },
    "AU16": {"chin": (0.0, -3.9, -2.0), "side of the chin": (1.2, -3.6, -1.8)},
    "AU17": {
        "lower lip": (0.0, 6.2, 4.2),
        "side of the lower lip": (0.3, 5.7, 3.8),
        "chin": (0.0, 8.9, 1.6),
        "side of the chin": (-0.3, 8.2, 1.4),
    },
    "AU20": {
        "beside the wing": (0.8, -0.3, -0.4),
        "cheek": (0.6, 0.5, 0.5),
        "front of the cheek": (0.6, 0.3, 0.3),
        "beside the mouth": (3.5, -1.6, -3.2),
        "philtrum": (KEEP, KEEP, -0.9),
        "upper lip": (KEEP, KEEP, -1.5),
        "side of the upper lip": (KEEP, KEEP, -1.9),
        "corner": (5.3, -2.4, -5.7),
        "beside the corner": (4.0, -1.5, -4.4),
        "beyond the corner": (3.0, -0.1, -0.4),
        "lower lip": (KEEP, KEEP, -1.5),
        "side of the lower lip": (KEEP, KEEP, -1.9),
    },
    "AU25": {
        "side of the nose": (0.0, 0.0, 0.0),
        "nose's wing": (0.0, 0.0, 0.0),
        "beside the wing": (0.0, 0.0, 0.0),
        "philtrum": (0.0, 0.0, 0.0),
        "chin": (0.0, -2.0, -1.0),
        "side of the chin": (0.6, -1.8, -0.9),
    },
}
# By how many mm upwards and forwards the inner edge of the lower lip's red goes farther than the
# outer one, pairs of landmarks of the left side; SHARE of ICT-FaceKit's. The face units take up to
# 1.4 mm of the red's height, and a field that is smooth between points, none of which holds the
# edge of the surface, takes up to 1.3 mm more.
LOWER_RED: dict[str, dict[tuple[int, int], tuple[float, float]]] = {
    "AU12": {(66, 57): (-0.2, 1.0), (65, 56): (0.3, -0.1)},
    "AU25": {(66, 57): (-0.1, 0.3), (65, 56): (0.1, 0.3)},
}
# Brows, the rest of the eyes and the root of the nose keep their motion, and so does what lies
# farther from the tip of the nose than the flesh of the cheeks.
KEPT = np.concatenate([BROWS, np.setdiff1d(EYES, LOWER_LIDS), [NASION]])
REACH_MM = 95.0
BEHIND_MM = 30.0  # a surface so far behind a point is another side of the head
BIHARMONIC = 2  # order of the surface's Laplacian: smooth, also where points are given


def added_motion(template: Template, units: Mapping[str, Floats]) -> dict[str, Floats]:
    """What brings units to MOTION, smooth over the surface between the points.

    Parameters
    ----------
    template : a generator's, looking along +z
    units : {name: (V, 3)} mm, those of MOTION

    Returns
    -------
    {name: (V, 3)} mm
    """
    at = {name: point_vertices(template, name) for name in POINTS}
    points = np.concatenate(list(at.values()))
    size = face_size(template)
    lacking = {unit: _missing(units[unit], MOTION[unit], at, size=size) for unit in MOTION}
    added = _smooth(template, points, lacking)
    for unit in LOWER_RED:
        moved = units[unit] + added[unit]
        edge, lacking_there = _missing_at_edge(template, moved, LOWER_RED[unit], size=size)
        rows = np.concatenate([np.zeros((len(points), 3)), lacking_there])
        added[unit] += _smooth(template, np.concatenate([points, edge]), {unit: rows})[unit]
    return added


def _smooth(
    template: Template, given: NDArray[np.int64], values: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Smooth fields (V, 3) that are `values` (n, 3) at n vertices and 0 where the skin is kept."""
    far = np.linalg.norm(template.vertices - template.landmarks[NOSE_TIP], axis=1)
    still = np.flatnonzero(far > REACH_MM * face_size(template))
    kept = np.setdiff1d(np.union1d(still, template.landmark_vertices[KEPT]), given)
    columns = np.hstack(list(values.values()))
    fields = igl.harmonic(
        template.vertices.astype(np.float64),
        template.triangles.astype(np.int64),
        np.concatenate([given, kept]).astype(np.int64),
        np.concatenate([columns, np.zeros((len(kept), columns.shape[1]))]),
        BIHARMONIC,
    )
    return dict(zip(values, np.split(fields, len(values), axis=1), strict=True))


def point_vertices(template: Template, name: str) -> NDArray[np.int64]:
    """The vertices nearest to a point of POINTS: on the left side and, unless it lies in the
    middle, on the right."""
    landmarks, offset = POINTS[name]
    vertices, size = template.vertices, face_size(template)
    found = []
    for side in (1,) if _in_the_middle(name) else (1, -1):
        there = landmarks if side > 0 else MIRROR[list(landmarks)]
        shift = size * np.array([side * offset[0], offset[1], 0.0])
        point = template.landmarks[list(there)].mean(axis=0) + shift
        front = np.flatnonzero(vertices[:, 2] > point[2] - BEHIND_MM * size)
        away = np.linalg.norm((vertices[front] - point)[:, :2], axis=1)
        found.append(front[away.argmin()])
    return np.array(found, dtype=np.int64)


def _in_the_middle(name: str) -> bool:
    landmarks, (outwards, _) = POINTS[name]
    return outwards == 0 and all(MIRROR[landmark] == landmark for landmark in landmarks)


def face_size(template: Template) -> float:
    """Size of a face, next to the one that mm are given for."""
    right, left = template.landmarks[OUTER_EYE_CORNERS]
    return float(np.linalg.norm(left - right)) / EYES_MM


def _missing(
    field: Floats,
    motion: Mapping[str, tuple[float, float, float]],
    at: Mapping[str, NDArray[np.int64]],
    *,
    size: float,
) -> Floats:
    """What a unit (V, 3) lacks at the vertices of all points, (n, 3) mm; 0 where none is given."""
    rows = []
    for name, vertices in at.items():
        goal = size * np.array(motion.get(name, (KEEP, KEEP, KEEP)))
        for side, vertex in zip((1, -1), vertices, strict=False):  # the middle has one
            lacking = goal * [side, 1, 1] - field[vertex]
            rows.append(np.where(np.isnan(goal), 0.0, lacking))
    return np.array(rows)


def _missing_at_edge(
    template: Template,
    moved: Floats,
    stretch: Mapping[tuple[int, int], tuple[float, float]],
    *,
    size: float,
) -> tuple[NDArray[np.int64], Floats]:
    """Vertices of the red's inner edge, and what a motion (V, 3) lacks there, (n, 3) mm."""
    found = {}
    for pair, (upwards, forwards) in stretch.items():
        for inner, outer in (pair, MIRROR[list(pair)]):
            edge, beside = template.landmark_vertices[[inner, outer]]
            lacking = moved[beside] + size * np.array([0, upwards, forwards]) - moved[edge]
            found[int(edge)] = lacking * [0, 1, 1]  # outwards it goes as it does
    return np.array(list(found)), np.array(list(found.values()))
