"""A path through the valence-arousal plane as a smooth sequence of deformations.

Between the classes' medians their mean deformations are mixed by natural neighbour weights: at a
class's median the mixture is that class's mean, elsewhere a mean of the classes around, wherever
borders of classes run. A mixture's label is the same mixture of the classes' labels, and each point
has a support status: `ok` in a class with a model, `interpolated` elsewhere among such classes or
within a class's width of one's median, `extrapolated` beyond.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK, decode_statuses
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbour_weights

DECIMALS = 12  # of a path's points: the same for any order of summation


@dataclass(frozen=True)
class Interpolant:
    """Mean deformations between the classes of an atlas.

    Attributes
    ----------
    grid : of the atlas's classes
    classes : (C,), those of the grid that have a model of their own frames
    medians : (C, 2), their valence and arousal
    means : (C, V, 3), mm
    """

    grid: Grid
    classes: NDArray[np.int64]
    medians: NDArray[np.float64]
    means: NDArray[np.float32]

    @classmethod
    def read(cls, path: Path) -> "Interpolant":
        """The interpolant of `blendshapes/atlas.zarr`.

        Raises
        ------
        affect4d.store.StoreError
            The store is missing or damaged.
        """
        stored = store.open(path)
        status = decode_statuses(stored["status"][...], stored.attributes["statuses"])
        classes = np.flatnonzero(status == OK)
        means = np.asarray(stored["mean"][classes], np.float32)
        grid = Grid(math.isqrt(len(stored.attributes["names"])))
        return cls(grid, classes, stored["median"][...][classes], means)

    def weights(self, points: ArrayLike) -> NDArray[np.float64]:
        """Weights (N, C) of the classes at points (N, 2): not negative, summing to one.

        Raises
        ------
        ValueError
            A point lies outside the plane, or there is no class.
        """
        return natural_neighbour_weights(points, self.medians)

    def labels(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Valence and arousal (N, 2) of mixtures: their points, within the medians' hull."""
        return weights @ self.medians

    def deformations(
        self, weights: NDArray[np.float64], intensity: float = 1.0
    ) -> NDArray[np.float32]:
        """Deformations (N, V, 3), mm, of mixtures, scaled by `intensity`."""
        mixed = weights.astype(np.float32) @ self.means.reshape(len(self.means), -1)
        return (np.float32(intensity) * mixed).reshape(len(weights), *self.means.shape[1:])


@dataclass(frozen=True)
class Trajectory:
    """A sequence of deformations along a path.

    Attributes
    ----------
    points : (T, 2), along the path
    support_status : (T,), of the points: "ok", "interpolated" or "extrapolated"
    labels : (T, 2), valence and arousal of each frame
    weights : (T, C), of the classes in each frame
    deformations : (T, V, 3), mm
    """

    points: NDArray[np.float64]
    support_status: NDArray[np.str_]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64]
    deformations: NDArray[np.float32]

    @property
    def largest_step(self) -> float:
        """How far any vertex moves between neighbouring frames at most, mm."""
        steps = np.diff(self.deformations, axis=0)
        return float(np.linalg.norm(steps, axis=2).max(initial=0.0))


def trace(
    interpolant: Interpolant, corners: ArrayLike, frames: int, *, intensity: float = 1.0
) -> Trajectory:
    """The Trajectory along straight lines through corners (N, 2), in so many frames.

    Raises
    ------
    ValueError
        Fewer than two corners, fewer frames than corners, a corner outside the plane, or no class
        with a model.
    """
    points = resample(corners, frames)
    weights = interpolant.weights(points)
    return Trajectory(
        points,
        support_status(
            points, interpolant.grid, classes=interpolant.classes, medians=interpolant.medians
        ),
        interpolant.labels(weights),
        weights,
        interpolant.deformations(weights, intensity),
    )


def support_status(
    points: ArrayLike, grid: Grid, *, classes: NDArray[np.int64], medians: NDArray[np.float64]
) -> NDArray[np.str_]:
    """Whether frames of a class are behind mixtures at points of the plane.

    Parameters
    ----------
    points : (N, 2)
    grid : of the classes
    classes : (C,), those that have a model
    medians : (C, 2), their labels

    Returns
    -------
    (N,), of "ok", "interpolated", "extrapolated"
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    class_width = (grid.high - grid.low) / grid.n
    distance = np.linalg.norm(points[:, None] - medians, axis=2).min(1, initial=np.inf)
    near_classes = (distance <= class_width) | in_hull(points, medians)
    in_class = np.isin(grid.assign(*points.T), classes)
    return np.where(in_class, OK, np.where(near_classes, INTERPOLATED, EXTRAPOLATED))


def resample(corners: ArrayLike, frames: int) -> NDArray[np.float64]:
    """Points (frames, 2) along the lines through corners (N, 2), each corner among them.

    Every line is cut into equal steps, their numbers such that the longest step is as short as
    possible: at most the path's length over (frames - lines).

    Raises
    ------
    ValueError
        Fewer than two corners, fewer frames than corners, or corners that are not (N, 2).
    """
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError(f"corners are points (N, 2), not {corners.shape}")
    if len(corners) < 2 or frames < 2:
        raise ValueError("a path needs at least two points and two frames")
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    ends = corners[np.concatenate([[True], lengths > 0])]
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return np.repeat(ends, frames, axis=0)
    if frames < len(ends):
        raise ValueError(f"a path of {len(ends)} points needs at least {len(ends)} frames")
    steps = np.ones(len(lengths), np.int64)
    for _ in range(frames - len(ends)):
        steps[np.argmax(lengths / steps)] += 1
    at = np.concatenate([[0], np.cumsum(steps)])
    axes = [np.interp(np.arange(frames), at, axis) for axis in ends.T]
    return np.round(np.stack(axes, axis=1), DECIMALS)
