"""Deformations of the atlas: one class's, between classes for a path, a basic expression's."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK, decode_statuses
from affect4d.blendshapes.natural_neighbour import natural_neighbour_weights
from affect4d.blendshapes.path import support_status
from affect4d.quarantine import BadInput


@dataclass(frozen=True)
class Target:
    """What to impose.

    Attributes
    ----------
    deformation : (V, 3), mm
    valence, arousal : its label; NaN where it has none
    name : of its class, expression or component
    interpolated : whether the frames behind it are not of this class but of classes around it
    """

    deformation: NDArray[np.float32]
    valence: float
    arousal: float
    name: str
    interpolated: bool = False


class StoredMeans:
    """Mean deformations of named groups of frames, with their labels and statuses.

    Attributes
    ----------
    path : of the store
    names : of the G groups
    status : of each group
    median : (G, 2), valence and arousal

    Raises
    ------
    affect4d.store.StoreError
        The store is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        stored = store.open(path)
        self.path = path
        self.names: list[str] = stored.attributes["names"]
        statuses = stored.attributes["statuses"]
        self.status: list[str] = decode_statuses(stored["status"][...], statuses).tolist()
        self.median: NDArray[np.float64] = stored["median"][...]
        self._mean = stored["mean"]

    def mean(self, index: int) -> NDArray[np.float32]:
        """The mean deformation (V, 3), mm, of one group."""
        return np.asarray(self._mean[int(index)], dtype=np.float32)

    def with_status(self, *statuses: str) -> NDArray[np.int64]:
        """The groups that have one of these statuses."""
        return np.flatnonzero(np.isin(self.status, statuses))


class Atlas(StoredMeans):
    """The classes' mean deformations and median labels, read from `blendshapes/atlas.zarr`.

    Attributes
    ----------
    grid : of the classes
    usable : the classes that have a deformation
    own : those of them that have a model of their own frames
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.grid = Grid(math.isqrt(len(self.names)))
        self.own = self.with_status(OK)
        self.usable = self.with_status(OK, INTERPOLATED)

    def is_interpolated(self, index: int) -> bool:
        """Whether a class's deformation comes from the classes around it."""
        return self.status[int(index)] == INTERPOLATED

    def means(self) -> NDArray[np.float32]:
        """The mean deformations (len(usable), V, 3), mm, of the usable classes."""
        return np.asarray(self._mean[self.usable], dtype=np.float32)

    def target(self, valence: float, arousal: float) -> Target:
        """The class that holds a point of the plane; its label is the class's median.

        An interpolated class's label is its centre.

        Raises
        ------
        BadInput
            The point lies outside the plane, or its class has too few frames.
        """
        index = self._class_of(valence, arousal)
        if index not in self.usable:
            raise self._without_data(index, valence, arousal)
        valence, arousal = map(float, self.median[index])
        return Target(
            deformation=self.mean(index),
            valence=valence,
            arousal=arousal,
            name=self.names[index],
            interpolated=self.is_interpolated(index),
        )

    def between(
        self,
        valence: float,
        arousal: float,
        *,
        mean: Callable[[int], NDArray[np.float32]] | None = None,
    ) -> Target:
        """The deformation at a point: the natural neighbours' mean, smooth over classes' borders.

        The label is the same mean of the classes' labels: the point itself, but for points at the
        edge of what the classes' medians enclose.

        Parameters
        ----------
        valence, arousal : of the point
        mean : from a class's index to its deformation (V, 3), in place of the stored one

        Raises
        ------
        BadInput
            The point lies outside the plane, or neither between classes with data nor within a
            class's width of one.
        """
        index = self._class_of(valence, arousal)
        point, medians = np.array([[valence, arousal]]), self.median[self.own]
        support = support_status(point, self.grid, classes=self.own, medians=medians)[0]
        if support == EXTRAPOLATED:
            raise self._without_data(index, valence, arousal)
        weights = natural_neighbour_weights(point, medians)[0]
        mixed = np.flatnonzero(weights)
        mean = mean or self.mean
        scaled = [np.float32(weights[i]) * mean(int(self.own[i])) for i in mixed]
        valence, arousal = map(float, weights @ medians)
        return Target(
            deformation=np.asarray(sum(scaled)),
            valence=valence,
            arousal=arousal,
            name=self.names[index],
            interpolated=bool(support == INTERPOLATED),
        )

    def nearest(self, valence: float, arousal: float) -> Target:
        """As `between`, at the nearest class's median where a point has no data around it.

        Raises
        ------
        BadInput
            The point lies outside the plane, or no class has data.
        """
        index, medians = self._class_of(valence, arousal), self.median[self.own]
        try:
            return self.between(valence, arousal)
        except BadInput:
            if not len(self.own):
                raise self._without_data(index, valence, arousal) from None
            distance = np.linalg.norm(medians - [valence, arousal], axis=1)
            return self.between(*medians[int(np.argmin(distance))])

    def _class_of(self, valence: float, arousal: float) -> int:
        index = int(self.grid.assign(valence, arousal))
        if index < 0:
            raise BadInput(
                f"valence {valence}, arousal {arousal}",
                "outside the plane",
                f"give values from {self.grid.low} to {self.grid.high}",
            )
        return index

    def _without_data(self, index: int, valence: float, arousal: float) -> BadInput:
        if not len(self.usable):
            return BadInput(self.path, "no class has a deformation", "annotate more frames")
        distance = np.linalg.norm(self.grid.centres[self.usable] - [valence, arousal], axis=1)
        nearest = self.usable[int(np.argmin(distance))]
        v, a = self.grid.centres[nearest]
        return BadInput(
            f"valence {valence}, arousal {arousal}",
            f"class {self.names[index]} is {self.status[index]}",
            f"the nearest class with data is {self.names[nearest]} (valence {v:g}, arousal {a:g})",
        )


class Expressions(StoredMeans):
    """The basic expressions' mean deformations, read from `blendshapes/expressions.zarr`."""

    @property
    def usable(self) -> tuple[str, ...]:
        """The names of those that have a deformation."""
        return tuple(self.names[index] for index in self.with_status(OK))

    def target(self, name: str) -> Target:
        """An expression; its label is its name, with valence and arousal where known, else NaN.

        Raises
        ------
        BadInput
            There is no such expression, or it has too few apex frames.
        """
        usable = self.usable
        if name not in usable:
            status = self.status[self.names.index(name)] if name in self.names else "unknown"
            remedy = f"choose one of {', '.join(usable)}" if usable else "add posed sequences"
            raise BadInput(f"expression {name}", f"it is {status} in this build", remedy)
        index = self.names.index(name)
        valence, arousal = map(float, self.median[index])
        return Target(self.mean(index), valence, arousal, name)
