"""Where the strength of expressions is lost: in the embedded gallery, whose truth is known.

    python benchmarks/amplitude.py --results results

Truth is carried to the template by the correspondence of benchmarks/registration_gallery.py. Lids
are the skin beside the eyes, not what is between the lids; of the mouth that is left out which lies
at the inner lips: on which lip its place is, is not known where lips touch.
Expressions: of the prototype at full intensity, how much is left in the true apex frames (posed
strength, people's styles), in these registered, and in the target; amplitude is the projection on
the prototype as a share of it, by region; `kept` that of the registered mean on the true one, what
registration leaves; the mean motion of the smallest regions in mm, true and registered. Classes, by
the radius of their label: length of the target over that of the median true frame, and of the
target's projection on what the mean person shows who has the label; how far the true affect of the
frames behind it lies from the label.
Choices of target: `mean` and `strength` (`blendshapes.target`), the mean of the half of the frames
nearest to the label, or nearest in shape to the frame in the middle, and the mean of people each
brought to the median person's length. The last line of a table has annotations as noted, with
their delay.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from registration_gallery import correspondence
from skimage.measure import points_in_poly

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.gallery import FRAMES as GALLERY
from affect4d.blendshapes.averaging import FrameMean
from affect4d.config.project import Project
from affect4d.gallery.synthetic.affect import intensities, prototype
from affect4d.gallery.synthetic.model import read_model
from affect4d.registration.lids import from_outline
from affect4d.registration.reference import Reference
from affect4d.registration.registered_sequence import open_registered
from affect4d.template.ibug68 import EYE_OUTLINES, INNER_LIPS

AXES = ["valence", "arousal"]
RADII = (0.0, 0.2, 0.4, 0.6, 0.8, 1.5)  # of labels
# landmarks, and the distance, mm, within which vertices are theirs
REGIONS = {
    "brows": (range(17, 27), 6),
    "lids": (range(36, 48), 4),
    "mouth": (range(48, 68), 6),
    "chin": (range(5, 12), 6),
    "lower lip": (range(56, 59), 4),
}
INNER_LIPS_MM = 2  # what is nearer has no known place
LIDS, CORNERS, CHEEK_MM = [[40, 41], [46, 47]], [48, 54], 14  # a cheek lies between these
# discs seen from the front: wings lie beside and above the last landmarks of the nose's base
WINGS, WING_MM, DISC_MM = [31, 35], [[-3, 2, 0], [3, 2, 0]], 3
SMALL = ["mouth corners", "nose wings"]


class Study:
    """True and registered displacements (V, 3), mm, of a build's frames at some vertices.

    Attributes
    ----------
    regions : {name: (V,)} which vertices
    true, found : by frame_id
    affect : what the frames show, (2,)
    """

    def __init__(self, results):
        reference = Reference.restore(store.open(results / "registration/template.zarr"))
        self._model = read_model(results / "gallery/model.zarr")
        self._places = correspondence(results, reference.template)
        masks = _regions(reference.template)
        self._rows = np.flatnonzero(np.any(list(masks.values()), axis=0))
        self.regions = {name: mask[self._rows] for name, mask in masks.items()}
        self._side = np.sign(reference.template.vertices[self._rows, :1])
        self.regions["all"] = np.ones(len(self._rows), bool)
        self.true, self.found, self.affect, self.place = {}, {}, {}, {}
        for path in sorted((results / "gallery/truth").glob("*.zarr")):
            self._add_truth(store.open(path))
        names = pd.read_parquet(GALLERY.path(results))["sequence"].unique()
        for sequence in open_registered(results, sorted(names)):
            self._add_registered(sequence)

    def carry(self, face):
        """Displacements of the generator's vertices, at the template's."""
        corners, weights = (
            part[self._rows] for part in (self._places.triangles, self._places.weights)
        )
        return (weights[..., None] * face[corners]).sum(1)

    def show(self, units):
        """What the mean person shows with units of these intensities (A,)."""
        return self.carry(self._model.expressions(units[None], np.zeros(len(units)))[0])

    def motion(self, moved, region):
        """Mean (3,) over a region of displacements (V, 3): outward, up, forward."""
        outward = moved * np.hstack([self._side, np.ones((len(moved), 2))])
        return outward[self.regions[region]].mean(0)

    def _add_truth(self, truth):
        names = truth.attributes["frame_ids"]
        self.affect |= dict(zip(names, truth["affect"][...], strict=True))
        faces = (f for i in range(len(truth.attributes["sequences"])) for f in [truth[f"faces{i}"]])
        moved = (face - block[0] for block in (each[...] for each in faces) for face in block)
        self.true |= {
            n: self.carry(d).astype(np.float32) for n, d in zip(names, moved, strict=True)
        }

    def _add_registered(self, sequence):
        clean = np.flatnonzero(sequence.flags == 0)
        neutral = clean[sequence.is_neutral[clean]]
        if len(neutral):
            moved = sequence.differences(clean, neutral, self._rows)
            for row, displacement in zip(clean, moved, strict=True):
                self.found[sequence.frame_ids[row]] = displacement
                self.place[sequence.frame_ids[row]] = sequence.path, int(row)


def _regions(template):
    vertices, marks = template.vertices, template.landmarks
    masks = {
        name: np.linalg.norm(vertices[:, None] - marks[list(points)], axis=2).min(1) < radius
        for name, (points, radius) in REGIONS.items()
    }
    for eye in EYE_OUTLINES:
        masks["lids"] &= ~points_in_poly(vertices[:, :2], marks[eye, :2])
    is_known = from_outline(template, INNER_LIPS) > INNER_LIPS_MM
    masks["mouth"] &= is_known
    for name, middles in zip(SMALL, (marks[CORNERS], marks[WINGS] + WING_MM), strict=True):
        masks[name] = _disc(vertices, middles, DISC_MM) & is_known & template.inner
    cheeks = (np.array([marks[lid].mean(0) for lid in LIDS]) + marks[CORNERS]) / 2
    return masks | {"cheeks": _disc(vertices, cheeks, CHEEK_MM) & template.inner}


def _disc(vertices, middles, radius):
    return np.linalg.norm(vertices[:, None, :2] - middles[:, :2], axis=2).min(1) < radius


def length(displacements):
    """Root mean square over the vertices, mm, of (..., V, 3)."""
    return np.sqrt(np.square(displacements.astype(float)).sum(-1).mean(-1))


def amplitude(moved, truth):
    return (moved * truth).sum() / np.square(truth).sum()


def average(study, frames):
    """The FrameMean of frames, and their displacements (n, V, 3)."""
    moved = np.stack([study.found[name] for name in frames["frame_id"]])
    mean = FrameMean(np.ones((moved.shape[1], 1), np.float32))
    for name, each in zip(frames["frame_id"], moved, strict=True):
        path, row = study.place[name]
        mean.add(each[None], {path: np.array([row])})
    return mean, moved


def targets(study, frames):
    """{choice: (target (V, 3), which frames are behind it)} of a class's frames."""
    total, moved = average(study, frames)
    every = np.ones(len(moved), bool)
    from_label = np.linalg.norm(frames[AXES] - frames[AXES].median(), axis=1)
    apart = np.linalg.norm(moved[:, None] - moved, axis=(2, 3))
    from_middle = apart[apart.sum(1).argmin()]
    halves = {
        "half nearest to the label": from_label <= np.median(from_label),
        "half nearest in shape": from_middle <= np.median(from_middle),
    }
    people = [moved[frames["subject"] == person].mean(0) for person in frames["subject"].unique()]
    people = [person for person in people if person.any()]  # a neutral frame alone has no length
    sizes = length(np.stack(people))
    aligned = np.mean(
        [np.median(sizes) / n * p for n, p in zip(sizes, people, strict=True)], axis=0
    )
    return {
        "mean": (total.mean, every),
        "strength": (total.strength * total.mean, every),
        **{name: (moved[half].mean(0), half) for name, half in halves.items()},
        "people aligned": (aligned, every),
    }


def classes(study, frames):
    """Table of each class and choice: radius, kept, amplitude, error of the label."""
    plane, rows = Project().affectspace, []
    cells = Grid(plane.bins).assign(frames["valence"], frames["arousal"])
    for _, members in frames.groupby(cells):
        if len(members) < plane.min_frames or members["subject"].nunique() < plane.min_subjects:
            continue
        label = members[AXES].median().to_numpy()
        shown = np.stack([study.affect[name] for name in members["frame_id"]])
        typical = np.median(length(np.stack([study.true[name] for name in members["frame_id"]])))
        truth = study.show(intensities(label)[0])
        for choice, (target, behind) in targets(study, members).items():
            error = np.linalg.norm(np.median(shown[behind], axis=0) - label)
            kept, projected = length(target) / typical, amplitude(target, truth)
            rows.append((np.linalg.norm(label), choice, kept, projected, error))
    return pd.DataFrame(rows, columns=["radius", "target", "kept", "amplitude", "label error"])


def print_classes(study, frames, noted):
    for title, table in (("without delay", frames), ("as noted", noted)):
        measured = classes(study, table)
        measured["radius"] = pd.cut(measured["radius"], RADII, right=False).astype(str)
        print(f"\nclasses, annotations {title}: medians")
        print(measured.groupby(["radius", "target"]).median().round(3).unstack(0).to_string())


def print_expressions(study, gallery):
    posed = gallery[(gallery["task"] == "posed") & gallery["is_apex"]]
    rows, motions = {}, {}
    for name, apexes in posed.groupby("expression"):
        truth = study.show(prototype(name))
        true = np.mean([study.true[frame] for frame in apexes["frame_id"]], axis=0)
        found, _ = average(study, apexes)
        strong = found.strength * found.mean
        stages = {"true apex": true, "mean": found.mean, "strength": strong}
        for region, mask in study.regions.items():
            rows[name, region] = {"prototype, mm": length(truth[mask])} | {
                stage: amplitude(each[mask], truth[mask]) for stage, each in stages.items()
            }
            rows[name, region]["kept"] = amplitude(found.mean[mask], true[mask])
        for region in SMALL:
            sides = [study.motion(each, region) for each in (true, found.mean)]
            motions[name, region] = np.concatenate(sides)
    print("expressions: amplitude of what is left of the prototype")
    print(pd.DataFrame(rows).T.round(2).to_string())
    print("\nmean motion, mm: outward, up, forward; then as registered")
    print(pd.DataFrame(motions).T.round(1).to_string(header=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="a finished build")
    results = parser.parse_args().results
    study = Study(results)
    gallery = pd.read_parquet(GALLERY.path(results)).sort_values(["sequence", "frame"])
    gallery = gallery[gallery["frame_id"].isin(study.found)]
    print_expressions(study, gallery)
    shifted = pd.read_parquet(results / "affectspace/frames.parquet")
    shifted = shifted.sort_values(["sequence", "frame"]).dropna(subset=AXES)
    noted = gallery.dropna(subset=AXES)
    print_classes(study, shifted[shifted["frame_id"].isin(study.found)], noted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
