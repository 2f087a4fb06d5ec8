"""How far the skin of faces goes in smiles: in real photographs, and in those that a build makes.

    python benchmarks/smile_skin.py --results results
    python benchmarks/smile_skin.py --people 20    # the first 20

The people of benchmarks/readers.py, neutral and smiling, aligned by the outer eye corners, 5 pixels
per mm where these are 90 mm apart. The dense flow between the two photographs (DIS, Kroeger et al.,
ECCV 2016) starts from a thin-plate spline through the landmarks and is aligned by eye corners and
nose bridge. Of the points of `gallery/synthetic/skin_motion.py` it prints, mm outwards and upwards:
the median of the real smiles, of two halves of the people; how far the smile goes that a build
makes of the same people, by the same flow; and how far it was asked to go, which tells what the
flow misses. Then, for each half, which intensities of a smile's units explain the real motion
(nonnegative least squares); the lips' red is left out, as teeth appear beside it.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import readers_people as make
from dense_flow import PER_MM, at, bring, flow, spline
from readers_landmarks import STILL
from scipy.optimize import nnls
from skimage.transform import SimilarityTransform
from tqdm import tqdm
from unit_motion import motion

from affect4d import store
from affect4d.gallery.synthetic.action_units import NAMES, action_fields
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.skin_motion import POINTS
from affect4d.readers.reading import read_faces
from affect4d.registration.reference import Reference
from affect4d.template.ibug68 import MIRROR

SIDE = 1350  # pixels of a photograph
UNITS = ("AU6", "AU12", "AU25", "AU26")
ON_LIPS = ("upper lip", "side of the upper lip", "lower lip", "side of the lower lip")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--people", type=int, help="the first N (default: all)")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    people = make.open_people(arguments.people, SIDE, arguments.cache)
    target = make.main_targets(arguments.results)["happiness"]
    real, ours = measure(people, make.Studio(arguments.results, people), target)
    left_out = f"left out, as no face is found: {len(people.names) - len(real)}"
    if len(real) < 2:
        sys.exit(f"two halves need two people ({left_out})")
    halves = {"one half": real[::2], "the other": real[1::2]}
    columns = {f"real, {half}": np.median(each, axis=0) for half, each in halves.items()}
    columns["made, by the flow"] = np.median(ours, axis=0)
    columns["made, as asked"] = asked(arguments.results, target)
    table = pd.DataFrame({name: [*map(_text, each)] for name, each in columns.items()}, POINTS)
    print(f"{len(real)} people ({left_out}), mm outwards and upwards\n{table.to_string()}")
    for half in halves:
        explain(half, columns[f"real, {half}"])
    return 0


def measure(people, studio, target):
    """`skin_motion` of real smiles and of made ones, of the people of whom all faces are found."""
    real, ours = [], []
    for number in tqdm(range(len(people.names)), disable=None):
        marks = people.neutral.landmarks[number], people.smiling.landmarks[number]
        if not np.isfinite(marks).all():
            continue
        made = studio.make(number, "warp", {"smile": target}).images["smile"]
        found = read_faces([made]).landmarks[0]
        if not np.isfinite(found).all():
            continue
        neutral = people.photograph(number), marks[0]
        real.append(skin_motion(neutral, (people.photograph(number, smiling=True), marks[1])))
        ours.append(skin_motion(neutral, (made, found)))
    return real, ours


def skin_motion(neutral, other):
    """How far the skin goes at POINTS, (P, 2) mm outwards and upwards, mean of both sides.

    Either is a photograph and its landmarks (68, 2).
    """
    (before, start), (after, end) = bring(*neutral), bring(*other)
    found = flow(before, after, spline(start, end))
    there = start[STILL] + at(found, start[STILL])
    align = SimilarityTransform.from_estimate(there, start[STILL])
    rows = []
    for landmarks, (outwards, upwards) in POINTS.values():
        sides = []
        for side, chosen in ((1, [*landmarks]), (-1, MIRROR[[*landmarks]])):
            point = start[chosen].mean(axis=0) + PER_MM * np.array([side * outwards, -upwards])
            moved = align(point + at(found, point[None]))[0] - point
            sides.append(moved / PER_MM * [side, -1])
        rows.append(np.mean(sides, axis=0))
    return np.array(rows)


def asked(results, target):
    """The same of a Target's deformation, (P, 2) mm, on the build's template."""
    template = Reference.restore(store.open(results / "registration/template.zarr")).template
    return np.array([motion(template, target.deformation, point)[:2] for point in POINTS])


def explain(half, moved):
    """Print the intensities of UNITS that explain the motion (P, 2) of POINTS off the lips."""
    face = Face()
    fields = action_fields(face)
    rows = [row for row, point in enumerate(POINTS) if point not in ON_LIPS]
    design = [
        [motion(face.template, fields[NAMES.index(unit)], point)[:2] for point in POINTS]
        for unit in UNITS
    ]
    design, goal = np.array(design)[:, rows].reshape(len(UNITS), -1).T, moved[rows].ravel()
    weights, left = nnls(design, goal)
    shares = ", ".join(f"{unit} {weight:.2f}" for unit, weight in zip(UNITS, weights, strict=True))
    share = left / np.linalg.norm(goal)
    print(f"real smiles, {half}: {shares}; left unexplained: {share:.2f} of the motion")


def _text(moved):
    return f"{moved[0]:5.1f} {moved[1]:5.1f}"


if __name__ == "__main__":
    sys.exit(main())
