"""Reading the registered sequences: apex frames for the basis, used frames for the regression."""

from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.affectspace.classes import USED
from affect4d.blendshapes.differences import Sequence
from affect4d.formats.quarantine import BadInput
from affect4d.validation.regression import AXES, Frames

POSED = "posed"


class Reader:
    """Difference vectors of registered sequences on a patch of the template.

    Parameters
    ----------
    registered : path
        Folder with the registered sequences.
    frames : DataFrame
        `affectspace/frames.parquet`.
    patch : Patch
    neutral, neutral_frames : as in the blendshapes settings
    quarantine : Quarantine
        Receives sequences without a neutral mesh.
    """

    def __init__(self, registered, frames, patch, neutral, neutral_frames, quarantine):
        self.patch, self.quarantine = patch, quarantine
        self.used = frames[frames["status"] == USED]
        self._neutral = neutral, neutral_frames
        self._subject = frames.drop_duplicates("sequence").set_index("sequence")["subject"]
        paths = {name: Path(registered) / f"{name}.zarr" for name in sorted(self._subject.index)}
        self._paths = {
            name: path for name, path in paths.items() if store.manifest_of(path).exists()
        }

    @property
    def manifests(self):
        """The manifests of all sequences read."""
        return [store.manifest_of(path) for path in self._paths.values()]

    def apexes(self):
        """Apex frames of the posed sequences: difference vectors (m, 3P) float32, subjects (m,)."""
        D, subjects = [np.empty((0, 3 * len(self.patch.index)), np.float32)], []
        for name, path in self._paths.items():
            sequence = Sequence(path)
            rows = np.flatnonzero(sequence.is_apex & (sequence.flags == 0))
            if sequence.stored.attributes["task"] != POSED or not len(rows):
                continue
            differences = self._differences(name, sequence, rows)
            D.append(differences)
            subjects += [self._subject[name]] * len(differences)
        return np.concatenate(D), np.array(subjects, dtype=object)

    def project(self, bases):
        """Weights of all used frames in each basis.

        Parameters
        ----------
        bases : dict of size to fitted transformer

        Returns
        -------
        dict of size to Frames
        """
        features: dict[int, list[np.ndarray]] = {size: [] for size in bases}
        labels: list[np.ndarray] = []
        subjects: list[str] = []
        for name, own in self.used.groupby("sequence", sort=True):
            if name not in self._paths:
                continue
            sequence = Sequence(self._paths[name])
            differences = self._differences(name, sequence, sequence.rows(own["frame_id"]))
            if not len(differences):
                continue
            for size, basis in bases.items():
                features[size].append(basis.transform(differences))
            labels.append(own[list(AXES)].to_numpy(np.float64))
            subjects += own["subject"].tolist()
        if not labels:
            raise BadInput("affectspace/frames.parquet", "no used frame", "annotate frames")
        affect, names = np.concatenate(labels), np.array(subjects, dtype=object)
        return {
            size: Frames(np.concatenate(parts), affect, names) for size, parts in features.items()
        }

    def _differences(self, name, sequence, rows):
        try:
            neutral = sequence.neutral_rows(
                *self._neutral, self.used[self.used["sequence"] == name]
            )
        except BadInput as problem:
            self.quarantine.add(name, problem)
            rows = rows[:0]
            neutral = rows
        if not len(rows):
            return np.empty((0, 3 * len(self.patch.index)), np.float32)
        return sequence.differences(rows, neutral, self.patch.index).reshape(len(rows), -1)
