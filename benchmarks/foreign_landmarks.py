"""Landmarks that do not belong to their picture: how many are flagged, and how many that do.

    python benchmarks/foreign_landmarks.py --faces /data/london      # what docs/own-data.md states
    python benchmarks/foreign_landmarks.py --derive results          # what the limits follow from

faces: a copy of the Face Research Lab London Set (neutral_front/NNN_03.jpg and .tem), which the
limits were not derived from. derive: a build's accepted photographs and portraits. Prints, for the
detector (where MediaPipe is installed) and for the gradients, the share that is flagged of: the
right landmarks; those of half the size; shifts, as by a crop, in a random direction; those of
another picture of the set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.fitting import landmark_evidence
from affect4d.fitting.detector import has_detector
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.template.ibug68 import OUTER_EYE_CORNERS

SHIFTS = (0.1, 0.25, 0.5, 1.0)  # inter-ocular distances


def faces_of(options):
    """(image, landmarks) of every face."""
    if options.faces:
        pairs = [(p, p.with_suffix(".tem")) for p in sorted(options.faces.rglob("*_03.jpg"))]
        pairs = [pair for pair in pairs if not pair[0].name.startswith("._")]
    else:
        images = sorted(options.derive.glob("neutrals/*/images/*.png"))
        pairs = [(p, p.with_suffix(".pts")) for p in images]
    return [(read_image(image), read_landmarks(points)) for image, points in pairs]


def variants(faces, number, rng):
    """{kind: landmarks} of one face."""
    landmarks = faces[number][1]
    right, left = landmarks[OUTER_EYE_CORNERS]
    size = np.linalg.norm(left - right)
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    return {
        "right": landmarks,
        "half the size": landmarks / 2,
        **{f"shifted by {shift:g}": landmarks + shift * size * direction for shift in SHIFTS},
        "of another picture": faces[number - 1][1],
    }


def main():
    """Measure the shares."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--faces", type=Path)
    source.add_argument("--derive", type=Path)
    faces = faces_of(parser.parse_args())
    rng, rows = np.random.default_rng(0), []
    for number, (image, _) in enumerate(faces):
        for kind, points in variants(faces, number, rng).items():
            distance = landmark_evidence._distance_from_detected(image, points)
            evidence = landmark_evidence.gradient_evidence(image, points)
            rows.append((kind, distance, evidence))
    table = pd.DataFrame(rows, columns=["kind", "distance", "evidence"])
    far, weak = landmark_evidence.MAX_DISTANCE, landmark_evidence.MIN_EVIDENCE
    table["detector, flagged"] = table["distance"] > far
    table["gradient, flagged"] = table["evidence"] < weak
    groups = table.groupby("kind", sort=False)
    print(f"{len(faces)} faces, detector {'installed' if has_detector() else 'not installed'}")
    print(groups[["detector, flagged", "gradient, flagged"]].mean().round(3).to_string())
    print(groups[["distance", "evidence"]].agg(["min", "median", "max"]).round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
