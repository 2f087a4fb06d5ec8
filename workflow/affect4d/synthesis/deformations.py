"""Deformations of the atlas: one class's, or between classes for a path through the plane."""

import math
from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.formats.quarantine import BadInput

OK = "ok"


@dataclass(frozen=True)
class Target:
    """What to impose: deformation (V, 3) float32 mm, its label, and the class's name."""

    deformation: np.ndarray
    valence: float
    arousal: float
    name: str


class Atlas:
    """The classes' mean deformations and median labels, read from `blendshapes/atlas.zarr`.

    Parameters
    ----------
    path : path of the store

    Attributes
    ----------
    names : list of str
    grid : Grid
    median : (C, 2) float64, valence and arousal
    count : (C,) int64, frames behind each mean
    usable : (C,) int64, the classes that have a deformation

    Raises
    ------
    affect4d.store.StoreError
        The store is missing or damaged.
    """

    def __init__(self, path):
        stored = store.open(path)
        self.path, self._mean = path, stored["mean"]
        self.names = stored.attributes["names"]
        self.grid = Grid(math.isqrt(len(self.names)))
        self.median, self.count = stored["median"][...], stored["count"][...]
        self.status = [stored.attributes["statuses"][code] for code in stored["status"][...]]
        self.usable = np.array([i for i, s in enumerate(self.status) if s == OK], dtype=np.int64)

    def mean(self, index):
        """The mean deformation (V, 3) float32 mm of one class."""
        return np.asarray(self._mean[int(index)], dtype=np.float32)

    def means(self):
        """The mean deformations (len(usable), V, 3) float32 mm of the usable classes."""
        return np.asarray(self._mean[self.usable], dtype=np.float32)

    def target(self, valence, arousal):
        """The class that holds a point of the plane; its label is the class's median.

        Raises
        ------
        BadInput
            The point lies outside the plane, or its class has too few frames.
        """
        index = int(self._class_of(valence, arousal))
        if index not in self.usable:
            raise self._without_data(index, valence, arousal)
        valence, arousal = map(float, self.median[index])
        return Target(self.mean(index), valence, arousal, self.names[index])

    def between(self, valence, arousal):
        """The deformation at a point, bilinear between the centres of the classes around it.

        Classes without data drop out of the mean. The label is the point itself.

        Raises
        ------
        BadInput
            The point lies outside the plane, or no class around it has data.
        """
        index = int(self._class_of(valence, arousal))
        weights = self._bilinear(np.array([valence, arousal]))
        weights = {i: w for i, w in weights.items() if i in self.usable and w > 0}
        if not weights:
            raise self._without_data(index, valence, arousal)
        total = sum(weights.values())
        deformation = sum(np.float32(w / total) * self.mean(i) for i, w in weights.items())
        return Target(deformation, float(valence), float(arousal), self.names[index])

    def _class_of(self, valence, arousal):
        index = self.grid.assign(valence, arousal)
        if index < 0:
            raise BadInput(
                f"valence {valence}, arousal {arousal}",
                "outside the plane",
                f"give values from {self.grid.low} to {self.grid.high}",
            )
        return index

    def _bilinear(self, point):
        n = self.grid.n
        step = (self.grid.high - self.grid.low) / n
        position = np.clip((point - self.grid.low) / step - 0.5, 0, n - 1)
        low = np.minimum(position.astype(int), max(n - 2, 0))
        share = position - low
        return {
            int((low[0] + i) * n + low[1] + j): float(abs(1 - i - share[0]) * abs(1 - j - share[1]))
            for i in range(min(2, n))
            for j in range(min(2, n))
        }

    def _without_data(self, index, valence, arousal):
        if not len(self.usable):
            return BadInput(self.path, "no class has a deformation", "annotate more frames")
        distance = np.linalg.norm(self.grid.centres[self.usable] - [valence, arousal], axis=1)
        nearest = self.usable[int(np.argmin(distance))]
        v, a = self.grid.centres[nearest]
        return BadInput(
            f"valence {valence}, arousal {arousal}",
            f"class {self.names[index]} is {self.status[index]}",
            f"the nearest class with data is {self.names[nearest]} "
            f"(--valence {v:g} --arousal {a:g})",
        )
