"""All used frames in all bases, a store a sequence; what is there already is kept."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.statuses import USED
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import Sequence
from affect4d.store.protocol import remove
from affect4d.validation.basis import PRINCIPAL
from affect4d.validation.prepare import LABELS, read_bases

log = logging.getLogger(__name__)
BLOCK_FRAMES = 512  # decoded at a time


def project_chunk(root, chunk, blendshapes, quarantine, provenance, progress):
    """Project the used frames of one chunk of registered sequences.

    Writes validation/features/{sequence}.zarr, an array (n, K) float32 a basis with the frames'
    names, and the chunk's manifest. A sequence whose store is current is not read again.

    Parameters
    ----------
    root : path
        The results folder.
    chunk : str
    blendshapes : config.blendshapes.Settings
        Says which mesh of a sequence is the neutral one.
    quarantine : Quarantine
        Receives sequences without a neutral mesh, and frames that are not finite.
    provenance : callable (item, inputs, extra settings) -> Provenance
    progress : (iterable, total, what) -> iterable, logs how far it got
    """
    root = Path(root)
    out, basis = root / "validation/features", root / "validation/basis.zarr"
    registered = root / f"registered/chunks/{chunk}.manifest.json"
    frames = pd.read_parquet(root / LABELS)
    used = dict(list(frames[frames["status"] == USED].groupby("sequence", sort=True)))
    names = sequences_of(registered)
    projector, done = None, []
    for name in progress(names, len(names), "sequences"):
        path = out / f"{name}.zarr"
        try:
            if name not in used or not basis.exists():
                raise _Nothing
            item = _Item(root / f"registered/{name}.zarr", used[name], blendshapes)
            inputs = [store.manifest_of(basis), store.manifest_of(item.sequence.path)]
            made_from = provenance(name, inputs, item.state)
            if not store.is_current(store.manifest_of(path), made_from):
                projector = projector or read_bases(basis)
                arrays = item.project(*projector)
                store.write(path, arrays, {"frame_ids": item.frame_ids}, made_from)
            done.append(store.manifest_of(path))
        except (BadInput, _Nothing) as problem:
            remove(store.manifest_of(path))
            remove(path)
            if isinstance(problem, BadInput):
                quarantine.add(name, problem)
    rejected = out / "quarantine" / f"{chunk}.csv"
    with store.atomic(rejected) as unfinished:
        quarantine.write(unfinished)
    manifest = out / f"chunks/{chunk}.manifest.json"
    store.record(manifest, [*done, rejected], provenance(chunk, [registered], {}))


def sequences_of(manifest):
    """Names of the sequences, or features, that a chunk's manifest lists."""
    ending = ".manifest.json"
    files = [Path(file.path).name for file in store.read_manifest(manifest).files]
    return sorted(name.removesuffix(ending) for name in files if name.endswith(ending))


class _Nothing(Exception):
    """There is nothing to project: no used frame, or no basis."""


class _Item:
    """A sequence on its way: its used frames, and its neutral mesh.

    Raises
    ------
    BadInput
        There is no neutral mesh.
    """

    def __init__(self, path, own, blendshapes):
        self.sequence = Sequence(path)
        own = own.sort_values("frame", kind="stable")
        self.frame_ids = own["frame_id"].tolist()
        self.rows = self.sequence.rows(self.frame_ids)
        self.neutral = self.sequence.neutral_rows(
            blendshapes.neutral, blendshapes.neutral_frames, own
        )

    @property
    def state(self):
        """What the features depend on beside the sequence and the bases."""
        content = json.dumps([self.frame_ids, self.neutral.tolist()]).encode()
        return {"frames": hashlib.sha256(content).hexdigest()}

    def project(self, bases, vertices):
        """Arrays (n, K) of the sequence's store, by name."""
        parts: dict = {name: [] for name in _wanted(bases)}
        for start in range(0, len(self.rows), BLOCK_FRAMES):
            rows = self.rows[start : start + BLOCK_FRAMES]
            D = self.sequence.differences(rows, self.neutral, vertices).reshape(len(rows), -1)
            broken = np.flatnonzero(~np.isfinite(D).all(1))
            if len(broken):
                frame = self.frame_ids[start + broken[0]]
                raise BadInput(
                    f"registered/{self.sequence.path.name}",
                    f"frame {frame} is not finite",
                    "register the sequence again",
                )
            for name, key in _wanted(bases).items():
                parts[name].append(bases[key].project(D))
        return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def _wanted(bases):
    """{array's name: Key} of what is projected: of principal components the most, for all sizes."""
    widest: dict = {}
    for key in bases:
        if key.kind == PRINCIPAL:
            widest[key[:2]] = max(key, widest.get(key[:2], key), key=lambda key: key.size)
    return {array_of(key): key for key in bases if key[:2] not in widest} | {
        array_of(key): key for key in widest.values()
    }


def array_of(key):
    """Name of the array that holds the features of a basis; the first ones of it, where smaller."""
    if key.kind == PRINCIPAL:
        return f"{key.kind}_{key.subjects}"
    return str(key)
