"""What `unseen_faces.py` uses: frames of four classes, from ICT-FaceKit or from a build."""

import sys
from dataclasses import dataclass

import ict_truth
import numpy as np
import pandas as pd

from affect4d.artifacts.statuses import USED
from affect4d.config.blendshapes import Settings
from affect4d.config.gallery import IctFaceKit
from affect4d.gallery.synthetic.facekit import facekit_model
from affect4d.gallery.synthetic.sequences import styled_units, takes
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.template.template import load_template
from affect4d.validation.patch import make_patch

PEOPLE, NOISE_MM = 160, 0.2
VERTICES = 2500
QUADRANTS = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
SHIPPED = Settings()


@dataclass(frozen=True)
class Faces:
    """Frames of one class, on the inner face.

    Attributes
    ----------
    seen : (N, 3P) float32, mm, difference vectors as observed
    true : (N, 3P), the same without noise; `seen` where the truth is not known
    subject, sequence : (N,) str arrays
    """

    seen: np.ndarray
    true: np.ndarray
    subject: np.ndarray
    sequence: np.ndarray

    def of(self, keep):
        """The frames of a mask."""
        return Faces(*(part[keep] for part in vars(self).values()))

    @property
    def people(self):
        """Names, sorted."""
        return np.unique(self.subject)


def from_facekit(grid, seed):
    """Faces by class name of people of ICT-FaceKit, and the Patch that they are on."""
    folder = ict_truth.clone()
    if folder is None:
        sys.exit("no ICT-FaceKit here: set AFFECT4D_ICT to the folder of a clone")
    model = facekit_model(folder.parent, 0)
    template = model.template
    patch = make_patch(template.vertices, template.triangles, inner=template.inner, count=VERTICES)
    settings = IctFaceKit(spontaneous=9, spontaneous_frames=120, frame_rate=15.0)
    rows = {name: [] for name in names_of(grid)}
    for number in range(1, PEOPLE + 1):
        for take in takes(settings, f"i{number:03d}", seed):
            if take.task != "spontaneous":
                continue
            index = grid.assign(*take.annotation.T)
            units, asymmetry, _ = styled_units(take, len(model.identity), seed)
            for name, wanted in names_of(grid).items():
                frames = np.flatnonzero((index == wanted) & ~take.is_neutral)
                if not len(frames):
                    continue
                true = model.expressions(units[frames], asymmetry)[:, patch.index]
                noise = named_rng(seed, "noise", take.name, name).normal(size=true.shape) * NOISE_MM
                rows[name].append((true, true + noise, take.subject, take.name))
    return {name: gathered(parts) for name, parts in rows.items()}, patch


def from_results(grid, root):
    """Faces by class name of a build's used frames, and the Patch that they are on."""
    template = load_template()
    patch = make_patch(template.vertices, template.triangles, inner=template.inner, count=VERTICES)
    frames = pd.read_parquet(root / "affectspace/frames.parquet")
    frames = frames[frames["status"] == USED]
    index = grid.assign(frames["valence"].to_numpy(), frames["arousal"].to_numpy())
    rows = {name: [] for name in names_of(grid)}
    for sequence, members in frames.assign(index=index).groupby("sequence", sort=True):
        opened = RegisteredSequence(root / f"registered/{sequence}.zarr")
        try:
            neutral = opened.neutral_rows(SHIPPED.neutral, SHIPPED.neutral_frames, members)
        except BadInput:
            continue
        for name, wanted in names_of(grid).items():
            chosen = opened.rows(members.loc[members["index"] == wanted, "frame_id"])
            chosen = np.setdiff1d(chosen, neutral)
            if len(chosen):
                seen = opened.differences(chosen, neutral, patch.index)
                rows[name].append((seen, seen, members["subject"].iloc[0], sequence))
    return {name: gathered(parts) for name, parts in rows.items()}, patch


def names_of(grid):
    """The classes used: name to index."""
    indices = [int(grid.assign(*middle)) for middle in QUADRANTS]
    return {grid.name(index): index for index in indices}


def gathered(rows):
    """Faces of (true, seen, subject, sequence) rows.

    A sequence counts that has at least two frames, a person with at least two sequences.
    """
    rows = [row for row in rows if len(row[0]) > 1]
    if not rows:
        nothing, nobody = np.empty((0, 0), np.float32), np.empty(0, str)
        return Faces(nothing, nothing, nobody, nobody)
    counts = [len(true) for true, *_ in rows]
    subject = np.repeat([subject for _, _, subject, _ in rows], counts)
    sequence = np.repeat([name for *_, name in rows], counts)
    true, seen = (np.concatenate([row[k] for row in rows]) for k in (0, 1))
    faces = Faces(
        seen.reshape(len(seen), -1).astype(np.float32),
        true.reshape(len(true), -1).astype(np.float32),
        subject,
        sequence,
    )
    several = pd.Series(sequence).groupby(subject).nunique()
    return faces.of(np.isin(subject, several.index[several > 1]))
