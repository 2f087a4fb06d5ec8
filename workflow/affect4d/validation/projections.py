"""The used frames' features as they were stored by sequence, read when they are asked for."""

from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.statuses import USED
from affect4d.validation.features import array_of, sequences_of
from affect4d.validation.prepare import LABELS
from affect4d.validation.regression import AXES, Frames

BLOCK_FRAMES = 8192  # features read at a time, whole sequences together
HELD_BYTES = 1 << 28  # features are held in memory up to here, and read again at each pass beyond


class Projections:
    """Features and labels of all used frames.

    Parameters
    ----------
    root : path
        The results folder.
    chunks : list of str
        Chunks of registered sequences.

    Attributes
    ----------
    table : DataFrame
        frame_id, sequence, subject, valence, arousal: the order of the frames.
    """

    def __init__(self, root, chunks):
        out = Path(root) / "validation/features"
        names = sorted(
            name for chunk in chunks for name in sequences_of(out / f"chunks/{chunk}.manifest.json")
        )
        self._paths = [out / f"{name}.zarr" for name in names]
        ids = [store.open(path).attributes["frame_ids"] for path in self._paths]
        self._counts = [len(own) for own in ids]
        frames = pd.read_parquet(Path(root) / LABELS)
        frames = frames[frames["status"] == USED].set_index("frame_id")
        order = [frame_id for own in ids for frame_id in own]
        columns = ["sequence", "subject", *AXES]
        self.table = frames.loc[order, columns].reset_index()

    def frames(self, key):
        """Frames of a basis.Key: Dask features, a block about every `BLOCK_FRAMES` frames."""
        blocks, paths, count = [], [], 0
        for path, own in zip(self._paths, self._counts, strict=True):
            paths.append(path)
            count += own
            if count >= BLOCK_FRAMES:
                blocks.append((paths, count))
                paths, count = [], 0
        blocks += [(paths, count)] if paths else []
        read = dask.delayed(_read, pure=False)
        parts = [
            da.from_delayed(read(paths, array_of(key), key.size), (count, key.size), np.float32)
            for paths, count in blocks
        ]
        features = da.concatenate(parts)
        if features.nbytes <= HELD_BYTES:
            features = features.persist()
        labels = self.table[list(AXES)].to_numpy(np.float64)
        return Frames(features, labels, self.table["subject"].to_numpy(dtype=str))


def _read(paths, name, size):
    return np.concatenate([store.open(path)[name][...][:, :size] for path in paths])
