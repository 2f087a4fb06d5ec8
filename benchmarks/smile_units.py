"""Which units people's smiles consist of, and how far each action unit moves landmarks.

    python benchmarks/smile_units.py

The people of benchmarks/readers.py: landmarks detected in the neutral and the smiling photograph
give mean motions of mouth, chin and the nose's wings, of all people and of those who show the
teeth; least squares with nonnegative weights explains them by face units of the mean face, from the
front, and by action units.
"""

import sys
from pathlib import Path

import numpy as np
import readers_people as make
from readers_landmarks import EYES_MM, displacements, measures
from scipy.optimize import nnls

from affect4d.gallery.synthetic.action_units import NAMES, UNPAIRED, action_fields
from affect4d.gallery.synthetic.mpfb import FACE_UNITS, Face
from affect4d.template.ibug68 import OUTER_EYE_CORNERS

SHAPES = ("mouthSmile", "mouthDimple", "mouthLowerDown", "mouthUpperUp", "mouthStretch",
          "noseSneer", "jawOpen")  # fmt: skip
UNITS = ("AU10", "AU12", "AU16", "AU25", "AU26")
MOVED = [8, 31, 35, *range(48, 68)]  # chin, wings of the nose, mouth
APART_MM = 2.0  # of the inner lips: teeth show
# landmarks of the subject's left half that show a unit
SHOWN = {
    "AU1": 22, "AU1+4": 22, "AU2": 24, "AU4": 22, "AU5": 44, "AU7": 46, "AU9": 35, "AU10": 51,
    "AU12": 54, "AU15": 54, "AU17": 57, "AU20": 54,
}  # fmt: skip


def main():
    face = Face()
    at = face.template.landmark_vertices
    units = action_fields(face)[:, at]
    print(
        "action units at full intensity, mm outward, up and forward at a landmark of the left half"
    )
    for name, landmark in SHOWN.items():
        outward, up, forward = units[NAMES.index(name), landmark]
        print(f"  {name:6s} {landmark} {outward:5.1f} {up:5.1f} {forward:5.1f}")
    people = make.open_people(None, 675, Path("build/readers_benchmark"))
    smiles = displacements(people.neutral.landmarks, people.smiling.landmarks)
    eyes = face.template.landmarks[OUTER_EYE_CORNERS]
    size = EYES_MM / np.linalg.norm(eyes[0] - eyes[1])
    fields = [
        face.field({f"{FACE_UNITS}/{shape}{side}": 1.0 for side in _sides(shape)})[at[MOVED], :2]
        for shape in SHAPES
    ]
    actions = [units[NAMES.index(name), MOVED, :2] for name in UNITS]
    # in the photograph y points down
    designs = {
        names: np.stack([(size * field * [1, -1]).ravel() for field in each], axis=1)
        for names, each in ((SHAPES, fields), (UNITS, actions))
    }
    shows_teeth = measures(smiles)["inner lips open"] > APART_MM
    for which, chosen in (("all", np.ones(len(smiles), bool)), ("with teeth", shows_teeth)):
        moved = smiles[chosen].mean(0)[MOVED].ravel()
        for names, design in designs.items():
            weights, left = nnls(design, moved)
            shares = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights, strict=True))
            share = left / np.linalg.norm(moved)
            print(f"smiles, {which} ({chosen.sum()}): {shares}; left unexplained: {share:.2f}")
    return 0


def _sides(shape):
    return ("",) if shape in UNPAIRED else ("Left", "Right")


if __name__ == "__main__":
    sys.exit(main())
