"""All used frames in all bases, one store per sequence; a store that is current is kept."""

import hashlib
import json
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import USED
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.store.protocol import remove
from affect4d.validation.basis import PRINCIPAL, Basis, Key
from affect4d.validation.frames import LABELS
from affect4d.validation.prepare import read_bases

BLOCK_FRAMES = 512  # decoded at a time: 25 MB of 4000 vertices
MANIFEST_SUFFIX = ".manifest.json"


def project_chunk(context: RunContext, chunk: str, blendshapes: BlendshapeSettings) -> None:
    """Project the used frames of one chunk of registered sequences.

    Writes validation/features/{sequence}.zarr, an array (n, K) float32 per basis with the frames'
    names, and the chunk's manifest. A sequence whose store is current is not read again. The
    quarantine receives sequences without a neutral mesh, and frames that are not finite.

    Parameters
    ----------
    context : of the run
    chunk : name of the registered chunk
    blendshapes : say which mesh of a sequence is the neutral one
    """
    root = context.root
    out = root / "validation/features"
    registered = root / f"registered/chunks/{chunk}{MANIFEST_SUFFIX}"
    frames = pd.read_parquet(open_file(root / LABELS))
    used = dict(list(frames[frames["status"] == USED].groupby("sequence", sort=True)))
    items = [(name, used.get(name)) for name in sequences_of(registered)]
    project = partial(_project_sequence, blendshapes)
    written = [m for m in context.map(project, items, what="sequences") if m is not None]
    rejected = out / "quarantine" / f"{chunk}.csv"
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    store.record(
        out / f"chunks/{chunk}{MANIFEST_SUFFIX}",
        [*written, rejected],
        context.provenance([registered], item=chunk),
    )


def sequences_of(manifest: Path) -> list[str]:
    """Names of the sequences, or features, that a chunk's manifest lists."""
    files = [Path(file.path).name for file in store.read_manifest(manifest).files]
    suffix = MANIFEST_SUFFIX
    return sorted(name.removesuffix(suffix) for name in files if name.endswith(suffix))


def _project_sequence(
    blendshapes: BlendshapeSettings, context: RunContext, item: tuple[str, pd.DataFrame | None]
) -> Path | None:
    """Project a sequence, unless it is current; its manifest, or None where it cannot be.

    Parameters
    ----------
    blendshapes : say which mesh of a sequence is the neutral one
    context : of the sequence
    item : its name and its used frames, None where there are none
    """
    name, frames = item
    root = context.root
    path, basis = root / f"validation/features/{name}.zarr", root / "validation/basis.zarr"
    manifest = store.manifest_of(path)
    try:
        if frames is None or not basis.exists():
            raise _NothingToProject
        sequence = _UsedSequence(root / f"registered/{name}.zarr", frames, blendshapes)
        inputs = [store.manifest_of(basis), store.manifest_of(sequence.sequence.path)]
        provenance = context.provenance(inputs, item=name, settings=sequence.state)
        if not store.is_current(manifest, provenance):
            arrays = sequence.project(*_bases(basis, store.digest(store.manifest_of(basis))))
            store.write(path, arrays, {"frame_ids": sequence.frame_ids}, provenance=provenance)
        return manifest
    except (BadInput, _NothingToProject) as problem:
        remove(manifest)
        remove(path)
        if isinstance(problem, BadInput):
            context.quarantine.add(name, problem)
        return None


@lru_cache(maxsize=1)
def _bases(path: Path, _: str) -> tuple[dict[Key, Basis], NDArray[np.int64]]:
    """The bases whose manifest has a digest: a worker that stays reads new ones anew."""
    return read_bases(path)


class _NothingToProject(Exception):
    """There is no used frame, or no basis."""


class _UsedSequence:
    """A sequence's used frames, and its neutral mesh.

    Parameters
    ----------
    path : of the registered sequence
    frames : its used frames
    blendshapes : say which mesh is the neutral one

    Raises
    ------
    BadInput
        There is no neutral mesh.
    """

    def __init__(self, path: Path, frames: pd.DataFrame, blendshapes: BlendshapeSettings) -> None:
        self.sequence = RegisteredSequence(path)
        frames = frames.sort_values("frame", kind="stable")
        self.frame_ids: list[str] = frames["frame_id"].tolist()
        self.rows = self.sequence.rows(self.frame_ids)
        self.neutral = self.sequence.neutral_rows(
            blendshapes.neutral, blendshapes.neutral_frames, frames
        )

    @property
    def state(self) -> dict[str, str]:
        """What the features depend on beside the sequence and the bases."""
        content = json.dumps([self.frame_ids, self.neutral.tolist()]).encode()
        return {"frames": hashlib.sha256(content).hexdigest()}

    def project(
        self, bases: dict[Key, Basis], vertices: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        """Arrays (n, K) of the sequence's store, by name."""
        projected = _projected_bases(bases)
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in projected}
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
            for name, key in projected.items():
                parts[name].append(bases[key].project(D))
        return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def _projected_bases(bases: dict[Key, Basis]) -> dict[str, Key]:
    """{array's name: Key} of what is projected: the largest principal basis serves all sizes."""
    widest: dict[Any, Key] = {}
    for key in bases:
        if key.kind == PRINCIPAL:
            widest[key[:2]] = max(key, widest.get(key[:2], key), key=lambda key: key.size)
    return {array_of(key): key for key in bases if key[:2] not in widest} | {
        array_of(key): key for key in widest.values()
    }


def array_of(key: Key) -> str:
    """Name of the array that holds a basis's features, in its first columns."""
    if key.kind == PRINCIPAL:
        return f"{key.kind}_{key.subjects}"
    return str(key)
