"""Deformations of the atlas: one class's, between classes for a path, a basic expression's."""

import math
from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK
from affect4d.blendshapes.model import read_class
from affect4d.blendshapes.natural_neighbour import natural_neighbour_weights
from affect4d.blendshapes.path import support_status
from affect4d.quarantine import BadInput


@dataclass(frozen=True)
class Target:
    """What to impose: deformation (V, 3) float32 mm, its label, and the class's name.

    `interpolated` says that no frames of this class are behind it, but those of classes around.
    """

    deformation: np.ndarray
    valence: float
    arousal: float
    name: str
    interpolated: bool = False


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
    usable : int64 array, the classes that have a deformation
    own : int64 array, those of them that have a model of their own frames

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
        self.own = self._with(OK)
        self.usable = self._with(OK, INTERPOLATED)

    def _with(self, *statuses):
        return np.flatnonzero(np.isin(self.status, statuses))

    def is_interpolated(self, index):
        """Whether a class's deformation comes from the classes around it."""
        return self.status[int(index)] == INTERPOLATED

    def mean(self, index):
        """The mean deformation (V, 3) float32 mm of one class."""
        return np.asarray(self._mean[int(index)], dtype=np.float32)

    def means(self):
        """The mean deformations (len(usable), V, 3) float32 mm of the usable classes."""
        return np.asarray(self._mean[self.usable], dtype=np.float32)

    def target(self, valence, arousal):
        """The class that holds a point of the plane; its label is the class's median.

        An interpolated class's label is its centre.

        Raises
        ------
        BadInput
            The point lies outside the plane, or its class has too few frames.
        """
        index = int(self._class_of(valence, arousal))
        if index not in self.usable:
            raise self._without_data(index, valence, arousal)
        valence, arousal = map(float, self.median[index])
        name, interpolated = self.names[index], self.is_interpolated(index)
        return Target(self.mean(index), valence, arousal, name, interpolated)

    def between(self, valence, arousal, mean=None):
        """The deformation at a point: the natural neighbours' mean, smooth over classes' borders.

        The label is the same mean of the classes' labels: the point itself, but for points at the
        edge of what the classes' medians enclose.

        Parameters
        ----------
        valence, arousal : float
        mean : callable, optional
            From a class's index to its (V, 3) deformation, in place of the one as stored.

        Raises
        ------
        BadInput
            The point lies outside the plane, or neither between classes with data nor within a
            class's width of one.
        """
        index = int(self._class_of(valence, arousal))
        point, medians = np.array([[valence, arousal]]), self.median[self.own]
        support = support_status(point, self.grid, classes=self.own, medians=medians)[0]
        if support == EXTRAPOLATED:
            raise self._without_data(index, valence, arousal)
        weights = natural_neighbour_weights(point, medians)[0]
        mixed = np.flatnonzero(weights)
        mean = mean or self.mean
        deformation = sum(np.float32(weights[i]) * mean(int(self.own[i])) for i in mixed)
        valence, arousal = map(float, weights @ medians)
        return Target(deformation, valence, arousal, self.names[index], support == INTERPOLATED)

    def _class_of(self, valence, arousal):
        index = self.grid.assign(valence, arousal)
        if index < 0:
            raise BadInput(
                f"valence {valence}, arousal {arousal}",
                "outside the plane",
                f"give values from {self.grid.low} to {self.grid.high}",
            )
        return index

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


def component_target(folder, name, number):
    """One component of a class's blendshapes alone, at full weight: much like an action unit.

    Parameters
    ----------
    folder : Path, where the classes' models lie
    name : str, of a class or basic expression
    number : int, counted from 1, by falling energy

    Returns
    -------
    Target
        Its label is not known: valence and arousal are NaN.

    Raises
    ------
    BadInput
        There is no such model, or no such component.
    """
    what, known = f"component {name}:{number}", _models(folder)
    if name not in known:
        remedy = f"models are {', '.join(known[:8])}, ..." if known else "build the blendshapes"
        raise BadInput(what, f"there is no model {name}", remedy)
    components = read_class(folder / f"{name}.zarr").components
    if not 1 <= number <= len(components):
        raise BadInput(what, f"{name} has {len(components)} components", "count them from 1")
    return Target(components[number - 1], math.nan, math.nan, f"{name}:{number}")


def count_components(folder, name):
    """How many components the model of a class or basic expression has; 0 where there is none."""
    if name not in _models(folder):
        return 0
    return store.open(folder / f"{name}.zarr")["components"].shape[0]


def _models(folder):
    known = sorted(path.stem for path in folder.glob("*.zarr"))
    return [name for name in known if name not in ("atlas", "expressions")]


class Expressions:
    """The basic expressions' mean deformations, read from `blendshapes/expressions.zarr`.

    Raises
    ------
    affect4d.store.StoreError
        The store is missing or damaged.
    """

    def __init__(self, path):
        stored = store.open(path)
        statuses = stored.attributes["statuses"]
        self.names = stored.attributes["names"]
        self.status = [statuses[code] for code in stored["status"][...]]
        self._mean, self._median = stored["mean"], stored["median"][...]

    @property
    def usable(self):
        """The names, (str, ...), of those that have a deformation."""
        named = zip(self.names, self.status, strict=True)
        return tuple(name for name, status in named if status == OK)

    def target(self, name):
        """An expression; its label is its name, with valence and arousal where known, else NaN.

        Raises
        ------
        BadInput
            There is no such expression, or it has too few apex frames.
        """
        known = self.usable
        if name not in known:
            status = self.status[self.names.index(name)] if name in self.names else "unknown"
            remedy = f"choose one of {', '.join(known)}" if known else "add posed sequences"
            raise BadInput(f"expression {name}", f"it is {status} in this build", remedy)
        index = self.names.index(name)
        valence, arousal = map(float, self._median[index])
        mean = np.asarray(self._mean[index], dtype=np.float32)
        return Target(mean, valence, arousal, name)
