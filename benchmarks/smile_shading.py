"""How smiling changes the light on faces: in real photographs, and in those that a build makes.

    python benchmarks/smile_shading.py --results results
    python benchmarks/smile_shading.py --results results --without folds

The people of benchmarks/readers.py who show their teeth. Photographs are brought to the mean of
their smiles' landmarks; the change is the logarithm of smiling over neutral luminance, less its
median over the face; of it the median person. Printed for two halves of the people: root mean
square difference of what is made from what is real, their correlation, and the ratio of their
standard deviations, beside and under the mouth, about the fold beside the nose, under and beside
the eyes; then how dark that fold is, and what is left of it in real smiles of which the expression
is removed (`synthesis.neutralise`). --without names settings of synthesis that are 0.
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

HALVES = {"one half": slice(0, None, 2), "the other": slice(1, None, 2)}
SIDE = 256  # pixels of the common picture
EYES = np.array([[78.0, 100.0], [178.0, 100.0]])  # outer corners in it
FOREHEAD = np.array([[30.0, -20.0], [128.0, -30.0], [226.0, -20.0]])  # move as the whole face does
JAW, RIDGE = slice(0, 17), 27
SMOOTH, MARGIN, LIPS_MARGIN = 1.5, 13, 7  # pixels
TEETH_MM = 6.0  # between the inner lips of those who show them
LID_PX = (2, 18)  # below the lower lids
# The band about the fold beside the nose: pixels outwards and downwards of landmarks, its width.
FOLD = ((NOSE_WINGS, 5, -12), (NOSE_WINGS, 14, 0), (MOUTH_CORNERS, 9, -10), (MOUTH_CORNERS, 10, 2))
FOLD_WIDTH = 9
CROWS_FEET = 14, (10, 12)  # pixels beside the eye's corner of an ellipse's middle, its half axes


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--without", default="", help="such as folds,lip_thinning")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    people = make.open_people(None, 675, arguments.cache)
    moved = displacements(people.neutral.landmarks, people.smiling.landmarks)
    numbers = np.flatnonzero(measures(moved)["inner lips open"] > TEETH_MM)
    studio = make.Studio(arguments.results, people)
    targets = make.main_targets(arguments.results)
    target, still = ({name: targets[name]} for name in ("happiness", make.NULL))
    zero = dict.fromkeys(filter(None, arguments.without.split(",")), 0.0)
    made = [studio.make(n, "warp", target, options=zero).images["happiness"] for n in numbers]
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
        for half, which in HALVES.items():
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
    bare = [studio.make(n, "warp", still, smiling=True).images[make.NULL] for n in numbers]
    removed = changes(bare, read_faces(bare).landmarks, before, shape)
    fold = zones(shape)["fold beside the nose"]
    darker = {"real smiles": real, "made": ours, "real smiles, removed": removed}
    table = {name: means(change[:, fold]) for name, change in darker.items()}
    print(f"change of light about that fold, mean\n{pd.DataFrame(table).T.round(3).to_string()}")
    return 0


def means(change):
    """Of each half of the people, the mean over pixels of the median person of (N, P)."""
    return {half: np.nanmean(np.nanmedian(change[w], axis=0)) for half, w in HALVES.items()}


def changes(images, landmarks, before, shape):
    """(N, SIDE, SIDE), logarithms of the light over that of `before`, less their medians."""
    change = np.array(
        [_light(*pair, shape) - old for *pair, old in zip(images, landmarks, before, strict=True)]
    )
    return change - np.nanmedian(change, axis=(1, 2), keepdims=True)


def _levelled(landmarks):
    return SimilarityTransform.from_estimate(landmarks[OUTER_EYE_CORNERS], EYES)(landmarks)


def _light(image, landmarks, shape):
    """Logarithm of the luminance (SIDE, SIDE) of a photograph brought to landmarks `shape`; NaN
    where no face is found in it."""
    if not np.isfinite(landmarks).all():
        return np.full((SIDE, SIDE), np.nan)
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
    fold, feet = np.zeros((2, SIDE, SIDE), np.uint8)
    beside, axes = CROWS_FEET
    for side, outwards in enumerate((-1, 1)):
        line = [shape[marks[side]] + [outwards * across, down] for marks, across, down in FOLD]
        cv2.polylines(fold, [np.rint(line).astype(np.int32)], False, 1, FOLD_WIDTH)
        middle = np.rint(shape[OUTER_EYE_CORNERS[side]] + [outwards * beside, 0]).astype(int)
        cv2.ellipse(feet, middle.tolist(), axes, 0, 0, 360, 1, cv2.FILLED)
    return {
        "beside the mouth": face & ~lips & ~nose & below_eyes & (row < shape[LOWER_LIP, 1].max()),
        "under the mouth": face & ~lips & (row > shape[MOUTH_CORNERS, 1].mean()),
        "fold beside the nose": (fold > 0) & ~lips,
        "under the eyes": face & (row > lids + LID_PX[0]) & (row < lids + LID_PX[1]),
        "beside the eyes": feet > 0,
    }


def _filled(ring):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 1)
    return mask


if __name__ == "__main__":
    sys.exit(main())
