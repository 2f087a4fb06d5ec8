"""Frames as the regression sees them, and which of them it refuses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

AXES = "valence", "arousal"
LABELS = "affectspace/frames.parquet"


@dataclass(frozen=True)
class Frames:
    """Features and labels of some frames.

    Attributes
    ----------
    features : (n, K) blendshape weights, a Dask array or an array
    labels : (n, 2) valence and arousal
    subjects : (n,) names
    """

    features: Any
    labels: NDArray[np.float64]
    subjects: NDArray[np.str_]

    def __getitem__(self, rows: slice | NDArray[Any]) -> "Frames":
        return Frames(self.features[rows], self.labels[rows], self.subjects[rows])

    def __len__(self) -> int:
        return len(self.labels)

    def loaded(self) -> "Frames":
        """The same with its features in memory."""
        return Frames(np.asarray(self.features), self.labels, self.subjects)


def require_finite(values: NDArray[np.floating], subjects: NDArray[np.str_], what: str) -> None:
    """Refuse rows (n, ...) of which a value is not finite, by the first one's subject.

    Raises
    ------
    BadInput
        There is such a row.
    """
    broken = np.flatnonzero(~np.isfinite(values).all(1))
    if len(broken):
        raise BadInput(
            LABELS,
            f"{len(broken)} {what} that are not finite, the first of subject {subjects[broken[0]]}",
            "leave these frames out",
        )


def require_usable(frames: Frames, name: str) -> None:
    """Refuse frames that cannot be fitted or measured; `name` is the set's.

    Raises
    ------
    BadInput
        There are none, a label is not finite, or an axis is constant.
    """
    if not len(frames):
        raise BadInput(LABELS, f"the {name} set is empty", "annotate frames of more subjects")
    require_finite(frames.labels, frames.subjects, f"{name} frames have labels")
    for axis, labels in zip(AXES, frames.labels.T, strict=True):
        if np.ptp(labels) == 0:
            raise BadInput(LABELS, f"{axis} is constant over the {name} set", "annotate more")
