"""How much of a true motion of landmarks the detector finds: what no edited picture can exceed.

    python benchmarks/detector_motion.py --subjects 12

People of ICT-FaceKit (AFFECT4D_ICT names its folder) are rendered frontally, neutral and with six
expressions (`truth_photos.py`): the motion of their landmarks is known, and nothing is edited.
Landmarks are detected in both photographs. Prints, for each expression, correlation and amplitude
of the motion found to the true one, as benchmarks/readers.py does of edited photographs; medians
over people.

Exit status 1 where the readers or ICT-FaceKit are missing; there are no thresholds.
"""

import argparse
import sys

import numpy as np
import pandas as pd
import truth_heads
from readers_landmarks import displacements, in_mm
from tqdm import tqdm
from truth_heads import EXPRESSIONS
from truth_photos import Photographer, sit

from affect4d.readers.environment import find_obstacle
from affect4d.readers.motion import agreement
from affect4d.readers.reading import read_faces


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subjects", type=int, default=12, help="people (default 12)")
    arguments = parser.parse_args()
    if obstacle := find_obstacle():
        sys.exit(str(obstacle))
    try:
        heads = truth_heads.load()
    except FileNotFoundError as error:
        sys.exit(str(error))
    taken = [
        photographs(heads, f"person{number:03d}") for number in tqdm(range(arguments.subjects))
    ]
    true, found = (
        {name: np.array([person[name][k] for person in taken]) for name in taken[0]} for k in (0, 1)
    )
    rows = {}
    for name in EXPRESSIONS:
        asked = in_mm(true[name] - true["neutral"], true["neutral"])
        moved = displacements(found["neutral"], found[name])
        values = [np.nanmedian(each) for each in agreement(moved, asked)]
        rows[name] = dict(zip(("correlation", "amplitude"), values, strict=True))
    print(f"{arguments.subjects} people: motion found of the true motion, nothing edited (medians)")
    print(pd.DataFrame(rows).T.round(2).to_string())
    return 0


def photographs(heads, name):
    """{expression, or neutral: (true, detected) landmarks (68, 2)} of a person's photographs."""
    photographer, head, sitting = Photographer(heads, name), heads.person(name), sit(name, 0)
    moves = {"neutral": 0.0} | {each: heads.expressed(name, each) for each in EXPRESSIONS}
    shots = {each: photographer.take(head + move, sitting) for each, move in moves.items()}
    detected = read_faces([shot.image for shot in shots.values()]).landmarks
    return {
        each: (shot.landmarks, marks)
        for (each, shot), marks in zip(shots.items(), detected, strict=True)
    }


if __name__ == "__main__":
    sys.exit(main())
