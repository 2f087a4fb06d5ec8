"""The mean of a class's frames, and how strong its frames are beside it.

People show the same affect in ways of their own, of which a mean keeps what they share: it is
weaker than any of them. `FrameMean.strength` is what makes up for that. Squared lengths of frames
are free of registration's noise, which is estimated from successive frames of a sequence.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.blendshapes.differences import Rows


class FrameMean:
    """Sums up frames that are given block after block, those of a sequence in order.

    Parameters
    ----------
    weights : (V, 1), of the vertices in a frame's length
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._weights = weights
        self._total = np.zeros((len(weights), 3))
        self._lengths: list[float] = []
        self._steps: list[float] = []
        self._last: tuple[tuple[Path, int], NDArray[np.float32]] | None = None

    def add(self, differences: NDArray[np.float32], selection: Rows) -> None:
        """Take in difference vectors (n, V, 3), mm, of the rows selected of each sequence."""
        self._total += differences.sum(0, dtype=np.float64)
        places = [(path, int(row)) for path, rows in selection.items() for row in rows]
        for place, frame in zip(places, differences, strict=True):
            self._lengths.append(self._squared(frame))
            if self._last is not None and place == (self._last[0][0], self._last[0][1] + 1):
                self._steps.append(self._squared(frame - self._last[1]))
            self._last = place, frame.copy()  # the caller's array may change

    def _squared(self, frame: NDArray[np.float32]) -> float:
        return float(np.square(self._weights * frame).sum(dtype=np.float64))

    @property
    def mean(self) -> NDArray[np.float32]:
        """The mean (V, 3), mm."""
        return (self._total / len(self._lengths)).astype(np.float32)

    @property
    def strength(self) -> float:
        """Length of the median frame over that of the mean, at least 1.

        1 where no two frames follow each other, so that the noise is not known, and where noise is
        more than half of a frame's squared length, so that the rest of it is not known well.
        """
        squared, length = self._squared(self.mean), float(np.median(self._lengths))
        noise = float(np.median(self._steps)) / 2 if self._steps else length  # both frames have it
        if not squared or noise > length / 2:
            return 1.0
        return float(np.sqrt(max((length - noise) / squared, 1.0)))
