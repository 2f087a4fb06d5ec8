"""How much of a true motion of landmarks is found: what no edited picture can exceed.

    python benchmarks/detector_motion.py --subjects 12

People of ICT-FaceKit (AFFECT4D_ICT names its folder) are rendered frontally, neutral and with six
expressions (`truth_photos.py`): the motion of their landmarks is known, and nothing is edited.
Prints, for each expression, correlation and amplitude of the motion found to the true one, as
benchmarks/readers.py does of edited photographs; medians over people. It is found in three ways:
landmarks are detected in both photographs; those of the neutral one are followed by dense flow
(`dense_flow.py`); a network detects them in both (`make second-reader`; else left out).

Exit status 1 where the readers or ICT-FaceKit are missing; there are no thresholds.
"""

import argparse
import sys

import numpy as np
import pandas as pd
import second_reader
import truth_heads
from dense_flow import follow
from readers_landmarks import displacements, in_mm, motion_found
from tqdm import tqdm
from truth_heads import EXPRESSIONS
from truth_photos import Photographer, sit

from affect4d.readers.environment import find_obstacle
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
    names = [f"person{number:03d}" for number in range(arguments.subjects)]
    taken = [motions(heads, name) for name in tqdm(names)]
    moved = {
        way: {
            name: np.array([each[way][k] for each in taken]) for k, name in enumerate(EXPRESSIONS)
        }
        for way in taken[0]
    }
    true = moved.pop("true")
    tables = {way: motion_found(found, true) for way, found in moved.items()}
    print(f"{arguments.subjects} people: motion found of the true motion, nothing edited (medians)")
    print(pd.concat(tables, axis=1).round(2).to_string())
    return 0


def motions(heads, name):
    """{way, or "true": (expressions, 68, 2) mm} of a person's photographs."""
    photographer, head, sitting = Photographer(heads, name), heads.person(name), sit(name, 0)
    moves = [0.0, *(heads.expressed(name, each) for each in EXPRESSIONS)]
    shots = [photographer.take(head + move, sitting) for move in moves]
    images, true = [shot.image for shot in shots], np.array([shot.landmarks for shot in shots])
    marks = read_faces(images).landmarks
    followed = [follow(images[0], marks[0], image) for image in images[1:]]
    found = {
        "true": in_mm(true[1:] - true[0], len(EXPRESSIONS) * [true[0]]),
        "detector": displacements(len(EXPRESSIONS) * [marks[0]], marks[1:]),
        "flow": displacements(*zip(*followed, strict=True)),
    }
    if second_reader.is_installed():
        other = second_reader.find_landmarks([*map(second_reader.cut, images, marks)])
        found["network"] = displacements(len(EXPRESSIONS) * [other[0]], other[1:])
    return found


if __name__ == "__main__":
    sys.exit(main())
