"""A registered sequence as its store holds it: the one reader of `registered/{sequence}.zarr`."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.quarantine import BadInput


@dataclass
class Sequence:
    """A registered sequence, opened; vertices are decoded when asked for.

    Attributes
    ----------
    path : the store `registered/{sequence}.zarr`
    frame_ids : list of str
    flags : (T,) uint8, 0 where the registration is clean
    is_neutral, is_apex : (T,) bool
    """

    path: Path
    stored: store.Store = field(init=False, repr=False)

    def __post_init__(self):
        self.stored = store.open(self.path)
        attributes = self.stored.attributes
        self.frame_ids = list(attributes["frame_ids"])
        self.flags = self.stored["flags"][...]
        self.is_neutral = np.array(attributes["is_neutral"], dtype=bool)
        self.is_apex = np.array(attributes["is_apex"], dtype=bool)

    def rows(self, frame_ids):
        """Rows (N,) of the given frames."""
        position = {frame_id: row for row, frame_id in enumerate(self.frame_ids)}
        return np.array([position[frame_id] for frame_id in frame_ids], dtype=np.int64)

    def neutral_rows(self, method, count, annotations):
        """Rows whose mean is the sequence's neutral mesh; frames with flags never count.

        Parameters
        ----------
        method : {"given", "first", "mean_nearest_zero"}
        count : int
            Frames averaged by "mean_nearest_zero", which takes the given ones in a sequence
            without annotations.
        annotations : DataFrame
            frame_id, valence, arousal of the sequence's used frames.

        Raises
        ------
        BadInput
            The sequence has no such frame.
        """
        clean = np.flatnonzero(self.flags == 0)
        if method == "first":
            rows = clean[:1]
        elif method == "mean_nearest_zero" and len(annotations):
            distance = np.hypot(annotations["valence"], annotations["arousal"]).to_numpy()
            nearest = np.argsort(distance, kind="stable")[:count]
            rows = np.sort(self.rows(annotations["frame_id"].iloc[nearest]))
        else:
            rows = clean[self.is_neutral[clean]]
        if not len(rows):
            raise BadInput(
                f"{self.path.parent.name}/{self.path.name}",
                f"no cleanly registered frame serves as neutral mesh ({method})",
                "mark one as neutral, or set blendshapes.neutral",
            )
        return rows

    def differences(self, rows, neutral_rows, vertices=slice(None)):
        """Difference vectors (N, V, 3) float32, mm, of the given rows.

        Parameters
        ----------
        rows, neutral_rows : int arrays
        vertices : index of the vertices kept
        """
        return store.gather({self.path: rows}, origins={self.path: neutral_rows}, vertices=vertices)
