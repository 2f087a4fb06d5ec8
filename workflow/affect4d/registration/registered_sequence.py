"""A registered sequence as its store holds it: the one reader of `registered/{sequence}.zarr`."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.registration import REGISTERED
from affect4d.quarantine import BadInput


class RegisteredSequence:
    """A registered sequence, opened; every part is read when it is asked for.

    Parameters
    ----------
    path : the store `registered/{sequence}.zarr`
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stored = store.open(path)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the store says beside its arrays: subject, task, measures, ..."""
        attributes: Mapping[str, Any] = self._stored.attributes
        return attributes

    @cached_property
    def frame_ids(self) -> list[str]:
        """Of the registered frames, in temporal order."""
        return list(self.attributes["frame_ids"])

    @cached_property
    def flags(self) -> NDArray[np.uint16]:
        """(T,) bit masks over `quality.FLAGS`, 0 where the registration is clean."""
        flags: NDArray[np.uint16] = self._stored["flags"][...]
        return flags

    @cached_property
    def is_neutral(self) -> NDArray[np.bool_]:
        """(T,), whether the frame is marked as neutral."""
        return np.array(self.attributes["is_neutral"], dtype=bool)

    @cached_property
    def is_apex(self) -> NDArray[np.bool_]:
        """(T,), whether the frame is marked as an apex."""
        return np.array(self.attributes["is_apex"], dtype=bool)

    @cached_property
    def quality(self) -> pd.DataFrame:
        """(T, M) measures of the frames, one column per measure."""
        return pd.DataFrame(self._stored["quality"][...], columns=self.attributes["measures"])

    @property
    def vertex_count(self) -> int:
        """Number of the template's vertices."""
        return int(self._stored["vertices"].shape[1])

    @cached_property
    def colour(self) -> NDArray[np.uint8] | None:
        """(V, 3) RGB of the neutral frame's skin; None for a sequence without textures."""
        return self._stored["colour"][...] if "colour" in self._stored else None

    def vertices(self, rows: Any) -> NDArray[np.float32]:
        """Faces of the given rows: (V, 3) mm for one row, (N, V, 3) for several."""
        vertices: NDArray[np.float32] = self._stored["vertices"][rows]
        return vertices

    def seen(self, rows: Any) -> NDArray[np.bool_]:
        """Whether the scan showed the vertices: (V,) for one row, (N, V) for several."""
        seen: NDArray[np.bool_] = self._stored["seen"][rows]
        return seen

    def flag_names(self, row: int) -> list[str]:
        """Names of the flags raised for a frame."""
        mask = int(self.flags[row])
        return [name for bit, name in enumerate(self.attributes["flag_names"]) if mask >> bit & 1]

    def rows(self, frame_ids: Iterable[str]) -> NDArray[np.int64]:
        """Rows (N,) of the given frames."""
        position = {frame_id: row for row, frame_id in enumerate(self.frame_ids)}
        return np.array([position[frame_id] for frame_id in frame_ids], dtype=np.int64)

    def neutral_rows(self, method: str, count: int, annotations: pd.DataFrame) -> NDArray[np.int64]:
        """Rows whose mean is the sequence's neutral mesh; frames with flags never count.

        Parameters
        ----------
        method : given, first or mean_nearest_zero
        count : number of frames averaged by "mean_nearest_zero", which takes the given ones in a
            sequence without annotations
        annotations : frame_id, valence, arousal of the sequence's used frames

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

    def differences(
        self,
        rows: NDArray[np.int64],
        neutral_rows: NDArray[np.int64],
        vertices: slice | NDArray[np.int64] = slice(None),
    ) -> NDArray[np.float32]:
        """Difference vectors (N, V, 3) mm of the given rows.

        Parameters
        ----------
        rows, neutral_rows : rows of the frames, and of those whose mean is subtracted
        vertices : index of the vertices kept
        """
        differences: NDArray[np.float32] = store.gather(
            {self.path: rows}, origins={self.path: neutral_rows}, vertices=vertices
        )
        return differences


def open_registered(root: Path, names: Iterable[str]) -> Iterator[RegisteredSequence]:
    """The sequences of these names that are registered, in the results folder `root`."""
    for name in names:
        path = REGISTERED.path(root, sequence=name)
        if store.manifest_of(path).exists():
            yield RegisteredSequence(path)
