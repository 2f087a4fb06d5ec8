"""How much of the true amplitude class means keep: of the embedded gallery, whose truth is known.

    python benchmarks/amplitude.py --results results

The truth of a class is the deformation of the mean person who shows the class's label (the median
annotation of its frames). A mean's amplitude is its projection on the truth, as a share of it, at
the 68 landmarks; direction is the cosine between both. Classes are those at least RADIUS from the
centre of the plane with a model. Choices: annotations as noted or without their delay; the mean of
all frames, of the half nearest to the class's median, or with each person's frames brought to the
class's median amplitude before averaging. The basic expressions stand beside their prototypes.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.gallery import FRAMES as GALLERY
from affect4d.blendshapes.targets import Expressions
from affect4d.gallery.synthetic.affect import intensities, prototype
from affect4d.gallery.synthetic.model import read_model
from affect4d.registration.reference import Reference
from affect4d.registration.registered_sequence import open_registered

RADIUS = 0.6  # of the plane: below it little is shown
MIN_FRAMES = 6  # of a class: the default of affectspace.min_frames
AXES = ["valence", "arousal"]


def differences(results, landmarks):
    """Landmarks' displacements (68, 3) of every clean registered frame, by frame_id."""
    names = pd.read_parquet(GALLERY.path(results))["sequence"].unique()
    moved = {}
    for sequence in open_registered(results, sorted(names)):
        clean = np.flatnonzero(sequence.flags == 0)
        neutral = clean[sequence.is_neutral[clean]]
        if len(neutral):
            block = sequence.differences(clean, neutral, landmarks)
            moved |= {sequence.frame_ids[row]: d for row, d in zip(clean, block, strict=True)}
    return moved


def nearest_half(frames):
    """The half of a class's frames that lies nearest to its median."""
    distance = np.linalg.norm(frames[AXES] - frames[AXES].median(), axis=1)
    return frames.loc[distance <= np.median(distance)]


def mean_of(frames, moved, aligned):
    """The mean (68, 3) of frames' displacements."""
    stack = np.stack([moved[name] for name in frames["frame_id"]]).astype(float)
    if not aligned:
        return stack.mean(0)
    people = [
        stack[(frames["subject"] == s).to_numpy()].mean(0) for s in frames["subject"].unique()
    ]
    size = [np.linalg.norm(person) for person in people]
    return np.mean([np.median(size) * p / n for p, n in zip(people, size, strict=True)], axis=0)


def compare(mean, truth):
    """Amplitude and direction of a mean beside its truth, both (68, 3)."""
    product = (mean * truth).sum()
    return product / (truth**2).sum(), product / np.linalg.norm(mean) / np.linalg.norm(truth)


def classes(frames, moved, units, aligned=False, choose=lambda frames: frames):
    """Amplitude and direction of every class far from the centre, weighted by nothing."""
    rows = []
    frames = frames.dropna(subset=AXES)
    frames = frames[frames["frame_id"].isin(moved)]
    cells = Grid().assign(frames["valence"], frames["arousal"])
    for _, members in frames.groupby(cells):
        label = members[AXES].median().to_numpy()
        if len(members) >= MIN_FRAMES and np.linalg.norm(label) >= RADIUS:
            truth = np.tensordot(intensities(label)[0], units, axes=1)
            rows.append(compare(mean_of(choose(members), moved, aligned), truth))
    return np.array(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="a finished build")
    results = parser.parse_args().results
    model = read_model(results / "gallery/model.zarr")
    units = model.units[:, model.template.landmark_vertices]
    template = Reference.restore(store.open(results / "registration/template.zarr")).template
    moved = differences(results, template.landmark_vertices)
    shifted = pd.read_parquet(results / "affectspace/frames.parquet")
    noted = shifted.drop(columns=AXES).merge(
        pd.read_parquet(GALLERY.path(results))[["frame_id", *AXES]], on="frame_id"
    )
    print("class means: amplitude and direction (median over classes; quartiles of amplitude)")
    for label, frames in (("as noted", noted), ("without delay", shifted)):
        for name, options in (
            ("all frames", {}),
            ("nearest half", {"choose": nearest_half}),
            ("people aligned", {"aligned": True}),
        ):
            rows = classes(frames, moved, units, **options)
            low, middle, high = np.percentile(rows[:, 0], [25, 50, 75])
            direction = np.median(rows[:, 1])
            print(
                f"  {label:14s} {name:14s} {middle:.2f} ({low:.2f} to {high:.2f})"
                f"  {direction:.2f}  of {len(rows)} classes"
            )
    print("basic expressions beside their prototypes: amplitude, direction")
    expressions = Expressions(results / "blendshapes/expressions.zarr")
    for name in expressions.names:
        truth = np.tensordot(prototype(name), units, axes=1)
        mean = expressions.target(name).deformation[template.landmark_vertices]
        print(f"  {name:10s} {compare(mean, truth)[0]:.2f} {compare(mean, truth)[1]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
