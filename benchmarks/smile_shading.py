"""How smiling changes the light on faces: in real photographs, and in those that a build makes.

    python benchmarks/smile_shading.py --results results

The people of benchmarks/readers.py who show their teeth. Photographs are brought to the mean of
their smiles' landmarks; the change is the logarithm of smiling over neutral luminance, less its
median over the face; of it the median person. Printed for two halves of the people: root mean
square difference of what is made from what is real, their correlation, and the ratio of their
standard deviations, beside and under the mouth and under the eyes.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import readers_people as make
from readers_landmarks import displacements, measures
from skimage.transform import PiecewiseAffineTransform, SimilarityTransform, warp

from affect4d.readers.reading import read_faces
from affect4d.synthesis.editing.scene import LUMINANCE
from affect4d.template.ibug68 import (
    LOWER_LIDS,
    LOWER_LIP,
    MOUTH_CORNERS,
    NOSE_WINGS,
    OUTER_EYE_CORNERS,
    OUTER_LIPS,
)

SIDE = 256  # pixels of the common picture
EYES = np.array([[78.0, 100.0], [178.0, 100.0]])  # outer corners in it
FOREHEAD = np.array([[30.0, -20.0], [128.0, -30.0], [226.0, -20.0]])  # move as the whole face does
JAW, RIDGE = slice(0, 17), 27
SMOOTH, MARGIN, LIPS_MARGIN = 1.5, 13, 7  # pixels
TEETH_MM = 6.0  # between the inner lips of those who show them
LID_PX = (2, 18)  # below the lower lids


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    people = make.open_people(None, 675, arguments.cache)
    moved = displacements(people.neutral.landmarks, people.smiling.landmarks)
    numbers = np.flatnonzero(measures(moved)["inner lips open"] > TEETH_MM)
    studio = make.Studio(arguments.results, people)
    target = {"happiness": make.main_targets(arguments.results)["happiness"]}
    made = [studio.make(n, "warp", target).images["happiness"] for n in numbers]
    neutral, smiling = people.neutral.landmarks[numbers], people.smiling.landmarks[numbers]
    shape = np.mean([_levelled(marks) for marks in smiling], axis=0)
    before = [
        _light(people.photograph(number), marks, shape)
        for number, marks in zip(numbers, neutral, strict=True)
    ]
    real = changes([people.photograph(n, smiling=True) for n in numbers], smiling, before, shape)
    ours = changes(made, read_faces(made).landmarks, before, shape)
    rows = {}
    for zone, inside in zones(shape).items():
        for half, which in (("one half", slice(0, None, 2)), ("the other", slice(1, None, 2))):
            parts = [each[which][:, inside] for each in (real, ours)]
            seen = np.all([np.isfinite(part).any(0) for part in parts], axis=0)
            a, b = (np.nanmedian(part[:, seen], axis=0) for part in parts)
            rows[zone, half] = {
                "difference": np.sqrt(((a - b) ** 2).mean()),
                "correlation": np.corrcoef(a, b)[0, 1],
                "ratio": b.std() / a.std(),
            }
    print(
        f"{len(numbers)} people who show their teeth\n{pd.DataFrame(rows).T.round(3).to_string()}"
    )
    return 0


def changes(images, landmarks, before, shape):
    """(N, SIDE, SIDE), logarithms of the light over that of `before`, less their medians."""
    change = np.array(
        [_light(*pair, shape) - old for *pair, old in zip(images, landmarks, before, strict=True)]
    )
    return change - np.nanmedian(change, axis=(1, 2), keepdims=True)


def _levelled(landmarks):
    return SimilarityTransform.from_estimate(landmarks[OUTER_EYE_CORNERS], EYES)(landmarks)


def _light(image, landmarks, shape):
    """Logarithm of the luminance (SIDE, SIDE) of a photograph brought to landmarks `shape`."""
    face = SimilarityTransform.from_estimate(landmarks[OUTER_EYE_CORNERS], EYES)
    source = np.vstack([landmarks, face.inverse(FOREHEAD)])
    bring = PiecewiseAffineTransform.from_estimate(np.vstack([shape, FOREHEAD]), source)
    grey = warp(image @ LUMINANCE, bring, output_shape=(SIDE, SIDE), order=1, cval=np.nan)
    return np.log1p(cv2.GaussianBlur(grey, (0, 0), SMOOTH))


def zones(shape):
    """{name: (SIDE, SIDE) mask} of the skin that is compared."""
    face = cv2.erode(_filled(shape[JAW]), np.ones((MARGIN, MARGIN))) > 0
    lips = cv2.dilate(_filled(shape[OUTER_LIPS]), np.ones((LIPS_MARGIN, LIPS_MARGIN))) > 0
    nose = cv2.convexHull(np.rint(shape[[RIDGE, *NOSE_WINGS]]).astype(np.int32))[:, 0]
    nose = cv2.dilate(_filled(nose), np.ones((LIPS_MARGIN, LIPS_MARGIN))) > 0
    row = np.arange(SIDE)[:, None]
    lids = shape[LOWER_LIDS.ravel(), 1].mean()
    below_eyes = row > (lids + shape[NOSE_WINGS, 1].mean()) / 2
    return {
        "beside the mouth": face & ~lips & ~nose & below_eyes & (row < shape[LOWER_LIP, 1].max()),
        "under the mouth": face & ~lips & (row > shape[MOUTH_CORNERS, 1].mean()),
        "under the eyes": face & (row > lids + LID_PX[0]) & (row < lids + LID_PX[1]),
    }


def _filled(ring):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 1)
    return mask


if __name__ == "__main__":
    sys.exit(main())
