"""Who is tested, and the bases: what is fixed before a frame is projected."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.statuses import USED
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import Sequence
from affect4d.validation import basis
from affect4d.validation.patch import make_patch
from affect4d.validation.split import TRAIN, split_subjects

log = logging.getLogger(__name__)

POSED = "posed"
LABELS = "affectspace/frames.parquet"
SPLIT_COLUMNS = ["subject", "set", "frames"]


def prepare(root, template, settings, blendshapes, seed, quarantine, provenance, workers=1):
    """Write split.csv, basis.zarr and bases.csv under `root`/validation, and their manifest.

    Where nothing can be validated, the quarantine says why: then there is no basis.zarr.

    Parameters
    ----------
    root : path
        The results folder.
    template : Template
    settings : config.validation.Settings
    blendshapes : config.blendshapes.Settings
        Says which mesh of a sequence is the neutral one.
    seed : int
    quarantine : Quarantine
    provenance : callable (item, inputs) -> Provenance
    workers : int
        Threads that read sequences.

    Raises
    ------
    BadInput
        There are no apex frames, no used frames, or only one subject, and the quarantine is
        strict.
    """
    out = Path(root) / "validation"
    frames = pd.read_parquet(Path(root) / LABELS)
    made_from = provenance("bases", [Path(root) / "affectspace/affectspace.manifest.json"])
    parts = []
    split = pd.DataFrame(columns=SPLIT_COLUMNS)
    try:
        split = split_used(frames, settings.test_share, seed)
        patch = make_patch(template.vertices, template.triangles, template.inner, settings.vertices)
        apexes = Apexes(Path(root) / "registered", frames, split, blendshapes, quarantine)
        write_bases(
            out / "basis.zarr",
            fit_all(apexes.differences(patch, workers), apexes, patch, settings),
            apexes,
            patch,
            provenance("basis", apexes.manifests),
        )
        parts.append(store.manifest_of(out / "basis.zarr"))
    except BadInput as problem:  # the rest of the build does not depend on this proof
        quarantine.add("table1", problem)
        store.protocol.remove(store.manifest_of(out / "basis.zarr"))
        store.protocol.remove(out / "basis.zarr")
    with store.atomic(out / "split.csv") as path:
        split.to_csv(path, index=False)
    rejected = out / "quarantine" / "bases.csv"
    with store.atomic(rejected) as path:
        quarantine.write(path)
    store.record(out / "bases.manifest.json", [*parts, out / "split.csv", rejected], made_from)


def split_used(frames, share, seed):
    """The split of the used frames' subjects, with the frames of each.

    Returns
    -------
    DataFrame
        subject, set, frames; test subjects first.

    Raises
    ------
    BadInput
        Fewer than two subjects have used frames.
    """
    used = frames[frames["status"] == USED]
    counts = used["subject"].value_counts()
    if len(counts) < 2:
        raise BadInput(
            LABELS,
            f"{len(counts)} subjects have used frames; a test on unseen people needs two",
            "add annotated sequences of more people",
        )
    split = split_subjects(used, share, seed)
    split["frames"] = split["subject"].map(counts)
    return split.sort_values(["set", "subject"], ignore_index=True)


class Apexes:
    """The cleanly registered apex frames of posed sequences, those of training subjects first.

    Parameters
    ----------
    registered : path
    frames : DataFrame, `affectspace/frames.parquet`
    split : DataFrame, as `split_used` returns it
    blendshapes : config.blendshapes.Settings
    quarantine : Quarantine
        Receives sequences without a neutral mesh.

    Attributes
    ----------
    count, training : int
        Frames in all, and of training subjects. Who has no used frame, and so no set, counts
        with the test subjects.
    """

    def __init__(self, registered, frames, split, blendshapes, quarantine):
        known = set(split.loc[split["set"] == TRAIN, "subject"])
        subject = frames.drop_duplicates("sequence").set_index("sequence")["subject"]
        used = frames[frames["status"] == USED]
        self._rows, self._neutral, counts = {}, {}, {True: 0, False: 0}
        for name in sorted(subject.index, key=lambda name: (subject[name] not in known, name)):
            path = Path(registered) / f"{name}.zarr"
            if not store.manifest_of(path).exists():
                continue
            sequence = Sequence(path)
            rows = np.flatnonzero(sequence.is_apex & (sequence.flags == 0))
            if sequence.stored.attributes["task"] != POSED or not len(rows):
                continue
            try:
                self._neutral[path] = sequence.neutral_rows(
                    blendshapes.neutral,
                    blendshapes.neutral_frames,
                    used[used["sequence"] == name],
                )
            except BadInput as problem:
                quarantine.add(name, problem)
                continue
            self._rows[path] = rows
            counts[subject[name] in known] += len(rows)
        self.training, self.count = counts[True], sum(counts.values())
        if self.training < 2:
            raise BadInput(
                "gallery/frames.parquet",
                f"{self.training} apex frames of training subjects' posed sequences span no basis",
                "mark apex frames (is_apex) in posed sequences",
            )

    @property
    def manifests(self):
        """Of the sequences that were read."""
        return [store.manifest_of(path) for path in self._rows]

    def differences(self, patch, workers):
        """Difference vectors (m, 3P) float32, mm, mapped from a scratch file."""
        D = store.scratch((self.count, len(patch.index), 3))
        store.gather(self._rows, D, origins=self._neutral, vertices=patch.index, workers=workers)
        return D.reshape(self.count, -1)


def fit_all(D, apexes, patch, settings):
    """{basis.Key: Basis} of both kinds, of all subjects' apex frames D and of the training ones."""
    log.info(
        "%d apex frames, %d of training subjects, on %d vertices",
        apexes.count,
        apexes.training,
        len(patch.index),
    )
    bases: dict = {}
    whose = {basis.ALL: apexes.count, basis.TRAIN_ONLY: apexes.training}
    for kind in (basis.SPARSE, basis.PRINCIPAL):
        for subjects, count in whose.items():
            fitted = basis.fit_bases(D[:count], patch, settings.components, kind, settings.sparsity)
            bases |= {basis.Key(kind, subjects, size): own for size, own in fitted.items()}
    return bases


def write_bases(path, bases, apexes, patch, provenance):
    """Store bases, with the patch that they live on."""
    attained = {str(key): len(own) for key, own in bases.items()}
    store.write(
        path,
        {
            **basis.stored(bases),
            "vertices": patch.vertices.astype(np.float32),
            "triangles": patch.triangles.astype(np.int32),
            "index": patch.index.astype(np.int64),
        },
        {
            "unit": "mm",
            "components": sorted({key.size for key in bases}),
            "attained": attained,
            "apex_frames": {basis.ALL: apexes.count, basis.TRAIN_ONLY: apexes.training},
        },
        provenance,
    )


def read_bases(path):
    """{Key: Basis} and the patch's index (P,) of a stored basis.zarr, an opened Store."""
    stored = store.open(path)
    wanted = basis.keys(stored.attributes["components"])
    return basis.restore(stored, wanted), stored["index"][...]
