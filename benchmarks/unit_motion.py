"""How far the skin goes with each action unit: ICT-FaceKit's shapes, the face units, the gallery's.

    python benchmarks/unit_motion.py

ICT-FaceKit's expression shapes are made from scans of people; AFFECT4D_ICT names its folder or an
archive of it. Of the points that `gallery/synthetic/skin_motion.py` names it prints, mm outwards,
upwards and forwards on a face whose outer eye corners are 90 mm apart: what ICT-FaceKit's shape
does, times SHARE (mean of both sides), what MPFB's face units do alone, and what the unit does. Of
the lower lip's red, by landmarks: how much farther its inner edge goes than its outer one, and what
is left of its height.

Exit status 1 where the tables MOTION and LOWER_RED are not SHARE of ICT-FaceKit's motion (but
outwards and upwards at the points of PHOTOGRAPHED, which follow photographs); 0, with a line that
says so, where the folder is absent.
"""

import sys

import numpy as np
import pandas as pd
from ict_truth import clone
from thresholds import Threshold, check

from affect4d.gallery.synthetic.action_units import NAMES, action_fields, face_unit_fields
from affect4d.gallery.synthetic.facekit import facekit_model
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.skin_motion import (
    LOWER_RED,
    MOTION,
    SHARE,
    face_size,
    point_vertices,
)
from affect4d.template.ibug68 import LOWER_INNER_LIP, LOWER_LIP

AVERAGED = 12  # vertices about a point: ICT-FaceKit's are 3 mm apart
# Outwards, and but for the corner upwards, as photographs show.
PHOTOGRAPHED = tuple(
    ("AU12", point) for point in ("corner", "beside the corner", "beyond the corner")
)
ROUNDING_MM = 0.051  # the table has one digit


def motion(template, field, point):
    """Of a point, (3,) mm outwards, upwards, forwards: mean of the sides and of the vertices."""
    sides = []
    for vertex in point_vertices(template, point):
        away = np.linalg.norm(template.vertices - template.vertices[vertex], axis=1)
        mean = field[np.argsort(away)[:AVERAGED]].mean(axis=0)
        sides.append(mean * [np.sign(template.vertices[vertex, 0]), 1, 1])
    mean = np.mean(sides, axis=0)
    return (mean if len(sides) == 2 else mean * [0, 1, 1]) / face_size(template)


def stretch(template, field, pair):
    """(3,) mm by which the first of two landmarks goes farther than the second."""
    inner, outer = template.landmark_vertices[list(pair)]
    return (field[inner] - field[outer]) / face_size(template)


def red_left(template, field):
    """Height of the lower lip's red, from the front, over what it was."""
    before = template.landmarks[:, :2]
    after = before + field[template.landmark_vertices, :2]
    heights = [
        np.linalg.norm(at[LOWER_LIP] - at[LOWER_INNER_LIP], axis=1) for at in (before, after)
    ]
    return heights[1].mean() / heights[0].mean()


def main():
    if clone() is None:
        print("ICT-FaceKit is absent: nothing is measured (set AFFECT4D_ICT)")
        return 0
    face, scanned = Face(), facekit_model(clone().parent, 0)
    alone, units = face_unit_fields(face), action_fields(face)
    rows, beyond = {}, 0.0
    for unit, points in MOTION.items():
        index = NAMES.index(unit)
        for point, given in points.items():
            goal = SHARE * motion(scanned.template, scanned.units[index], point)
            from_scans = slice(2 if (unit, point) in PHOTOGRAPHED else 0, None)
            beyond = max(beyond, np.nanmax(np.abs(goal - given)[from_scans]))
            rows[unit, point] = {
                f"{SHARE} ICT": goal,
                "face units": motion(face.template, alone[unit], point),
                "unit": motion(face.template, units[index], point),
            }
    for unit, pairs in LOWER_RED.items():
        index, name = NAMES.index(unit), f"{SHARE} ICT"
        fields = {
            name: (scanned.template, SHARE * scanned.units[index]),
            "face units": (face.template, alone[unit]),
            "unit": (face.template, units[index]),
        }
        for pair, given in pairs.items():
            row = {column: stretch(*each, pair) for column, each in fields.items()}
            beyond = max(beyond, np.abs(row[name][1:] - given).max())
            rows[unit, f"{pair[0]} beside {pair[1]}"] = row
        left = ", ".join(f"{column} {red_left(*each):.2f}" for column, each in fields.items())
        print(f"{unit}: height of the lower lip's red left: {left}")
    table = pd.DataFrame(rows).T.map(lambda mm: " ".join(f"{value:5.1f}" for value in mm))
    print(table.to_string())
    return check([Threshold("MOTION and LOWER_RED beside ICT-FaceKit's, mm", beyond, ROUNDING_MM)])


if __name__ == "__main__":
    sys.exit(main())
