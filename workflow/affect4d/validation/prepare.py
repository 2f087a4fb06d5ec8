"""The split and the bases: what is fixed before a frame is projected."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import USED
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.template.template import Template
from affect4d.validation import basis
from affect4d.validation.frames import LABELS
from affect4d.validation.patch import Patch, make_patch
from affect4d.validation.split import TRAIN, split_subjects

log = logging.getLogger(__name__)

POSED = "posed"
SPLIT_COLUMNS = ["subject", "set", "frames"]


def prepare_bases(
    context: RunContext,
    template: Template,
    settings: Settings,
    *,
    blendshapes: BlendshapeSettings,
) -> None:
    """Write split.csv, basis.zarr and bases.csv under validation, and their manifest.

    Where nothing can be validated, the quarantine says why: then there is no basis.zarr.

    Parameters
    ----------
    context : of the run
    template : whose inner face the bases describe
    settings : of the validation
    blendshapes : say which mesh of a sequence is the neutral one

    Raises
    ------
    BadInput
        There are no apex frames, no used frames, or only one subject, and the quarantine is
        strict.
    """
    root, quarantine = context.root, context.quarantine
    out, basis_path = root / "validation", root / "validation/basis.zarr"
    frames = pd.read_parquet(open_file(root / LABELS))
    parts = []
    split = pd.DataFrame(columns=SPLIT_COLUMNS)
    try:
        split = split_used(frames, settings.test_share, context.seed)
        patch = make_patch(
            template.vertices, template.triangles, inner=template.inner, count=settings.vertices
        )
        apexes = Apexes(context, frames, split, blendshapes=blendshapes)
        bases = fit_all_bases(
            apexes.differences(patch, context.workers), apexes, patch, settings=settings
        )
        provenance = context.provenance(apexes.manifests, item="basis")
        write_bases(basis_path, bases, patch, apexes=apexes, provenance=provenance)
        parts.append(store.manifest_of(basis_path))
    except BadInput as problem:  # the rest of the build does not depend on the validation
        quarantine.add("table1", problem)
        store.protocol.remove(store.manifest_of(basis_path))
        store.protocol.remove(basis_path)
    with store.atomic(out / "split.csv") as path:
        split.to_csv(path, index=False)
    rejected = out / "quarantine" / "bases.csv"
    with store.atomic(rejected) as path:
        quarantine.write(path)
    store.record(
        out / "bases.manifest.json",
        [*parts, out / "split.csv", rejected],
        context.provenance([root / "affectspace/affectspace.manifest.json"], item="bases"),
    )


def split_used(frames: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The split of the used frames' subjects, with the frames of each.

    Parameters
    ----------
    frames : the table of labels
    share : of the subjects, held out
    seed : the build's seed

    Returns
    -------
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
    context : its quarantine receives sequences without a neutral mesh
    frames : `affectspace/frames.parquet`
    split : as `split_used` returns it
    blendshapes : say which mesh of a sequence is the neutral one

    Attributes
    ----------
    count, training : frames in all, and of training subjects
        A subject without used frames has no set, and counts with the test subjects.
    """

    def __init__(
        self,
        context: RunContext,
        frames: pd.DataFrame,
        split: pd.DataFrame,
        *,
        blendshapes: BlendshapeSettings,
    ) -> None:
        training = set(split.loc[split["set"] == TRAIN, "subject"])
        subject = frames.drop_duplicates("sequence").set_index("sequence")["subject"]
        used = frames[frames["status"] == USED]
        by_sequence = dict(iter(used.groupby("sequence")))
        self._rows: dict[Path, NDArray[np.int64]] = {}
        self._neutral: dict[Path, NDArray[np.int64]] = {}
        self.count = self.training = 0
        for name in sorted(subject.index, key=lambda name: (subject[name] not in training, name)):
            path = context.root / f"registered/{name}.zarr"
            if not store.manifest_of(path).exists():
                continue
            sequence = RegisteredSequence(path)
            rows = np.flatnonzero(sequence.is_apex & (sequence.flags == 0))
            if sequence.attributes["task"] != POSED or not len(rows):
                continue
            try:
                self._neutral[path] = sequence.neutral_rows(
                    blendshapes.neutral,
                    blendshapes.neutral_frames,
                    by_sequence.get(name, used[:0]),
                )
            except BadInput as problem:
                context.quarantine.add(name, problem)
                continue
            self._rows[path] = rows
            self.count += len(rows)
            self.training += len(rows) if subject[name] in training else 0
        if self.training < 2:
            raise BadInput(
                "gallery/frames.parquet",
                f"{self.training} apex frames of training subjects' posed sequences span no basis",
                "mark apex frames (is_apex) in posed sequences",
            )

    @property
    def manifests(self) -> list[Path]:
        """Of the sequences that were read."""
        return [store.manifest_of(path) for path in self._rows]

    def differences(self, patch: Patch, workers: int) -> NDArray[np.float32]:
        """Difference vectors (m, 3P), mm, mapped from a scratch file; by `workers` threads."""
        D = store.scratch((self.count, len(patch.index), 3))
        store.gather(self._rows, D, origins=self._neutral, vertices=patch.index, workers=workers)
        return D.reshape(self.count, -1)


def fit_all_bases(
    D: NDArray[np.float32], apexes: Apexes, patch: Patch, *, settings: Settings
) -> dict[basis.Key, basis.Basis]:
    """Bases of both kinds, of all subjects' apex frames D (m, 3P), mm, and of the training ones."""
    log.info(
        "%d apex frames, %d of training subjects, on %d vertices",
        apexes.count,
        apexes.training,
        len(patch.index),
    )
    bases: dict[basis.Key, basis.Basis] = {}
    counts = {basis.ALL: apexes.count, basis.TRAIN_ONLY: apexes.training}
    for kind in (basis.SPARSE, basis.PRINCIPAL):
        for subjects, count in counts.items():
            by_size = basis.fit_bases(
                D[:count], patch, settings.components, kind=kind, sparsity=settings.sparsity
            )
            bases |= {basis.Key(kind, subjects, size): fitted for size, fitted in by_size.items()}
    return bases


def write_bases(
    path: Path,
    bases: dict[basis.Key, basis.Basis],
    patch: Patch,
    *,
    apexes: Apexes,
    provenance: store.Provenance,
) -> None:
    """Store bases, with the patch that they are defined on."""
    store.write(
        path,
        {
            **basis.to_arrays(bases),
            "vertices": patch.vertices.astype(np.float32),
            "triangles": patch.triangles.astype(np.int32),
            "index": patch.index.astype(np.int64),
        },
        {
            "unit": "mm",
            "components": sorted({key.size for key in bases}),
            "attained": {str(key): len(fitted) for key, fitted in bases.items()},
            "apex_frames": {basis.ALL: apexes.count, basis.TRAIN_ONLY: apexes.training},
        },
        provenance=provenance,
    )


def read_bases(path: Path) -> tuple[dict[basis.Key, basis.Basis], NDArray[np.int64]]:
    """The bases and the patch's index (P,) of a stored basis.zarr."""
    stored = store.open(path)
    wanted = basis.keys(stored.attributes["components"])
    return basis.from_arrays(stored, wanted), stored["index"][...]
