"""Difference vectors: a registered frame minus the neutral mesh of its own sequence (rule 2)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.registration import REGISTERED
from affect4d.config.blendshapes import Settings as BlendshapesSettings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import RegisteredSequence

Rows = Mapping[Path, NDArray[np.int64]]  # of the stores of sequences


@dataclass(frozen=True)
class SequenceWithNeutral:
    """A registered sequence, and its rows whose mean is the neutral mesh."""

    sequence: RegisteredSequence
    neutral_rows: NDArray[np.int64]

    @property
    def neutral_frame_ids(self) -> list[str]:
        """The frames that the neutral mesh is the mean of."""
        return [self.sequence.frame_ids[row] for row in self.neutral_rows]


def open_sequences(
    context: RunContext,
    names: Iterable[str],
    annotations: pd.DataFrame,
    *,
    settings: BlendshapesSettings,
) -> dict[str, SequenceWithNeutral]:
    """The sequences with a neutral mesh, by name; others in quarantine.

    Parameters
    ----------
    context : of the run
    names : of registered sequences
    annotations
        sequence, frame_id, valence, arousal of the used frames.
    settings : how neutral meshes are found
    """
    sequences = {}
    by_sequence = dict(iter(annotations.groupby("sequence")))
    for name in sorted(names):
        sequence = RegisteredSequence(REGISTERED.path(context.root, sequence=name))
        annotated = by_sequence.get(name, annotations[:0])
        try:
            rows = sequence.neutral_rows(settings.neutral, settings.neutral_frames, annotated)
        except BadInput as problem:
            context.quarantine.add(name, problem)
            continue
        sequences[name] = SequenceWithNeutral(sequence, rows)
    return sequences


def select_rows(
    frames: pd.DataFrame, sequences: Mapping[str, SequenceWithNeutral]
) -> tuple[Rows, Rows]:
    """Rows of frames, and of their sequences' neutral meshes, sequences by name.

    Parameters
    ----------
    frames
        frame_id, sequence.
    sequences : by name
    """
    selection, neutral = {}, {}
    for name, members in frames.groupby("sequence", sort=True):
        opened = sequences[str(name)]
        selection[opened.sequence.path] = opened.sequence.rows(members["frame_id"])
        neutral[opened.sequence.path] = opened.neutral_rows
    return selection, neutral


def subsample_by_subject(frames: pd.DataFrame, max_frames: int) -> pd.DataFrame:
    """At most `max_frames` frames, chosen in turn from each subject, in the table's order.

    Within a subject the order is that of the digests of the frames' names, so that the choice
    depends neither on the order of the table nor on chance.

    Parameters
    ----------
    frames
        frame_id, subject.
    max_frames : frames
    """
    if len(frames) <= max_frames:
        return frames
    digests = [hashlib.sha256(str(name).encode()).hexdigest() for name in frames["frame_id"]]
    ordered = frames.assign(_digest=digests).sort_values("_digest")
    ordered["_turn"] = ordered.groupby("subject").cumcount()
    chosen = ordered.sort_values(["_turn", "_digest"]).index[:max_frames]
    return frames.loc[frames.index.isin(chosen)]


class StoredFrames:
    """Difference vectors of many sequences, read as they are sliced; D of SparseLocalizedPCA.

    Parameters
    ----------
    selection : for each registered sequence its frames, in the order of the rows
    neutral : for each sequence the frames whose mean is subtracted
    scale : (V, 1), multiplies each vertex's motion
    workers : threads that read

    Attributes
    ----------
    shape : (m, V, 3)
    dtype : float32

    Raises
    ------
    ValueError
        No frame is selected.
    """

    def __init__(
        self,
        selection: Rows,
        neutral: Rows,
        scale: NDArray[np.float32] | None = None,
        *,
        workers: int = 1,
    ) -> None:
        self._rows = [(path, int(frame)) for path, frames in selection.items() for frame in frames]
        self._neutral, self._scale, self._workers = neutral, scale, workers
        if not self._rows:
            raise ValueError("no frame is selected")
        vertices = store.open(self._rows[0][0])["vertices"]
        self.shape: tuple[int, ...] = (len(self._rows), *vertices.shape[1:])
        self.dtype: np.dtype[np.float32] = vertices.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Difference vectors (N, V, 3), mm, of a slice of rows."""
        selection: dict[Path, list[int]] = {}
        for path, frame in self._rows[rows]:
            selection.setdefault(path, []).append(frame)
        block = store.gather(selection, origins=self._neutral, workers=self._workers)
        if self._scale is not None:
            block *= self._scale
        return block
