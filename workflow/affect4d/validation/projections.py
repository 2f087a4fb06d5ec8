"""The used frames' features as they were stored by sequence, read on demand."""

from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
from dask.delayed import delayed
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import USED
from affect4d.validation.basis import Key
from affect4d.validation.features import MANIFEST_SUFFIX, array_of, sequences_of
from affect4d.validation.frames import AXES, LABELS, Frames

BLOCK_FRAMES = 8192  # features read at a time, of complete sequences: 7 MB of 200 components
MAX_HELD_BYTES = 1 << 28  # features up to this size stay in memory, others are read at each pass


class Projections:
    """Features and labels of all used frames.

    Parameters
    ----------
    root : the results folder
    chunks : names of the chunks of registered sequences

    Attributes
    ----------
    table : frame_id, sequence, subject, valence, arousal, in the order of the features
    """

    def __init__(self, root: Path, chunks: list[str]) -> None:
        out = root / "validation/features"
        manifests = [out / f"chunks/{chunk}{MANIFEST_SUFFIX}" for chunk in chunks]
        names = sorted(name for manifest in manifests for name in sequences_of(manifest))
        self._paths = [out / f"{name}.zarr" for name in names]
        frame_ids = [store.open(path).attributes["frame_ids"] for path in self._paths]
        self._counts = [len(ids) for ids in frame_ids]
        frames = pd.read_parquet(open_file(root / LABELS))
        frames = frames[frames["status"] == USED].set_index("frame_id")
        order = [frame_id for ids in frame_ids for frame_id in ids]
        columns = ["sequence", "subject", *AXES]
        self.table = frames.loc[order, columns].reset_index()

    def frames(self, key: Key) -> Frames:
        """Frames in a basis: Dask features, one block per `BLOCK_FRAMES` frames or more."""
        blocks: list[tuple[list[Path], int]] = []
        paths: list[Path] = []
        count = 0
        for path, frames in zip(self._paths, self._counts, strict=True):
            paths.append(path)
            count += frames
            if count >= BLOCK_FRAMES:
                blocks.append((paths, count))
                paths, count = [], 0
        blocks += [(paths, count)] if paths else []
        read = delayed(_read, pure=False)
        parts = [
            da.from_delayed(  # type: ignore[no-untyped-call]
                read(paths, array_of(key), key.size), (count, key.size), np.float32
            )
            for paths, count in blocks
        ]
        features = da.concatenate(parts)  # type: ignore[no-untyped-call]
        if features.nbytes <= MAX_HELD_BYTES:
            features = features.persist()
        labels = self.table[list(AXES)].to_numpy(np.float64)
        return Frames(features, labels, self.table["subject"].to_numpy(dtype=str))


def _read(paths: list[Path], name: str, size: int) -> NDArray[np.float32]:
    return np.concatenate([store.open(path)[name][...][:, :size] for path in paths])
