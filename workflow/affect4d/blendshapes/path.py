"""A path through the valence-arousal plane as a smooth sequence of deformations.

Between the classes' medians their mean deformations are mixed by natural neighbour coordinates: at
a class's median stands that class's mean, elsewhere a mean of the classes around, wherever borders
of classes run. A mixture's label is the same mixture of the classes' labels, and each place has a
standing: `ok` in a class with a model, `interpolated` elsewhere among such classes or within a
class's width of one's median, `extrapolated` beyond.
"""

import math
from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbours

DIGITS = 12


@dataclass(frozen=True)
class Interpolant:
    """Mean deformations between the classes of an atlas.

    Attributes
    ----------
    grid : Grid
    own : (C,) int, the classes of the grid that have a model
    medians : (C, 2) float64, their valence and arousal
    means : (C, V, 3) float32, mm
    """

    grid: Grid
    own: np.ndarray
    medians: np.ndarray
    means: np.ndarray

    @classmethod
    def read(cls, path):
        """The interpolant of `blendshapes/atlas.zarr`.

        Raises
        ------
        affect4d.store.StoreError
            The store is missing or damaged.
        """
        stored = store.open(path)
        own = np.flatnonzero(stored["status"][...] == stored.attributes["statuses"].index(OK))
        means = np.asarray(stored["mean"][own], np.float32)
        grid = Grid(math.isqrt(len(stored.attributes["names"])))
        return cls(grid, own, stored["median"][...][own], means)

    def shares(self, points):
        """Shares (N, C) of the classes at places (N, 2): not negative, summing to one.

        Raises
        ------
        ValueError
            A place lies outside the plane, or there is no class.
        """
        return natural_neighbours(points, self.medians)

    def labels(self, shares):
        """Valence and arousal (N, 2) of mixtures: their places, within the medians' hull."""
        return shares @ self.medians

    def deformations(self, shares, intensity=1.0):
        """Deformations (N, V, 3) float32, mm, of mixtures, scaled by `intensity`."""
        mixed = shares.astype(np.float32) @ self.means.reshape(len(self.means), -1)
        return (np.float32(intensity) * mixed).reshape(len(shares), *self.means.shape[1:])


@dataclass(frozen=True)
class Trajectory:
    """A sequence of deformations along a trajectory.

    Attributes
    ----------
    points : (T, 2), the places passed, equally far apart along the trajectory
    standing : (T,) str, of the places: "ok", "interpolated" or "extrapolated"
    labels : (T, 2), valence and arousal of each frame
    shares : (T, C), of the classes in each frame
    deformations : (T, V, 3) float32, mm
    """

    points: np.ndarray
    standing: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    deformations: np.ndarray

    @property
    def largest_step(self):
        """How far any vertex moves between neighbouring frames at most, mm."""
        steps = np.diff(self.deformations, axis=0)
        return float(np.linalg.norm(steps, axis=2).max(initial=0.0))


def trace(interpolant, corners, frames, intensity=1.0):
    """The Trajectory along straight lines through corners (N, 2), in so many frames.

    Raises
    ------
    ValueError
        Fewer than two corners or frames, a corner outside the plane, or no class with a model.
    """
    points = resample(corners, frames)
    shares = interpolant.shares(points)
    deformations = interpolant.deformations(shares, intensity)
    standing = standings(points, interpolant.grid, interpolant.own, interpolant.medians)
    return Trajectory(points, standing, interpolant.labels(shares), shares, deformations)


def standings(points, grid, own, medians):
    """What is behind mixtures at places of the plane.

    Parameters
    ----------
    points : (N, 2) array
    grid : Grid
    own : (C,) int, the classes that have a model
    medians : (C, 2), their labels

    Returns
    -------
    (N,) str array of "ok", "interpolated", "extrapolated"
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    width = (grid.high - grid.low) / grid.n
    distance = np.linalg.norm(points[:, None] - medians, axis=2).min(1, initial=np.inf)
    among = (distance <= width) | in_hull(points, medians)
    within = np.isin(grid.assign(*points.T), own)
    return np.where(within, OK, np.where(among, INTERPOLATED, EXTRAPOLATED))


def resample(corners, frames):
    """Places (frames, 2), equally far apart along the lines through corners (N, 2).

    Raises
    ------
    ValueError
        Fewer than two corners or frames, or corners that are not (N, 2).
    """
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError(f"corners are places (N, 2), not {corners.shape}")
    if len(corners) < 2 or frames < 2:
        raise ValueError("a path needs at least two points and two frames")
    length = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    passed = np.concatenate([[0], np.cumsum(length)])
    turns = np.concatenate([[True], length > 0])
    at = np.linspace(0, passed[-1], frames)
    places = [np.interp(at, passed[turns], axis[turns]) for axis in corners.T]
    return np.round(np.stack(places, axis=1), DIGITS)
