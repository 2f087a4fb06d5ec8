"""The atlas: mean deformation and label of every class in one store, for synthesis to look up.

The basic expressions have an atlas of their own, of the same arrays.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.artifacts.statuses import INSUFFICIENT, INTERPOLATED, OK, STATUSES
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbour_weights
from affect4d.store.protocol import remove

CLASS_NAMES = "v[-+]*_a[-+]*"
AXES = ("valence", "arousal")


def remove_former(folder, names, groups):
    """Remove what a former grid, or dealing into jobs, left behind.

    Parameters
    ----------
    folder : path
        Where the classes' models lie, with `chunks` and `quarantine` of their jobs.
    names : collection of str
        The classes that there are.
    groups : int
        Jobs that fit them, named by their numbers.
    """
    folder = Path(folder)
    for manifest in sorted(folder.glob(f"{CLASS_NAMES}.manifest.json")):
        name = manifest.name.removesuffix(".manifest.json")
        if name not in names:
            remove(manifest)
            remove(folder / f"{name}.zarr")
    for path in [*folder.glob("chunks/*.manifest.json"), *folder.glob("quarantine/*.csv")]:
        job = path.name.split(".")[0]
        if job.isdecimal() and int(job) >= groups:
            remove(path)


def write_atlas(path, folder, classes, vertex_count, provenance, interpolate=False):
    """Collect the classes' models.

    The atlas holds, for C classes: mean (C, V, 3) float32 mm (zero where a class has no
    deformation); median (C, 2) float64 valence and arousal, its label (the centre of a class that
    is interpolated, NaN where one is empty); count (C,) frames behind the mean; status (C,) uint8
    into the attribute `statuses`; shares (C, C) float64, of the classes with a model in each mean.

    Parameters
    ----------
    path : path of `atlas.zarr`
    folder : path
        Where the classes' models lie.
    classes : DataFrame
        `affectspace/classes.parquet`.
    vertex_count : int
    provenance : Provenance
    interpolate : bool
        Give a class without a model, whose centre lies among the medians of those that have one,
        the natural neighbours' mean there.
    """
    atlas = _collect(folder, classes)
    if interpolate:
        centres = classes[[f"centre_{axis}" for axis in AXES]].to_numpy(np.float64)
        atlas.interpolate(centres)
    atlas.write(path, vertex_count, provenance)


def write_expressions(path, folder, expressions, vertex_count, provenance):
    """Collect the basic expressions' models, as `write_atlas` does the classes'.

    Parameters
    ----------
    path : path of `expressions.zarr`
    expressions : DataFrame of name, status, median_valence, median_arousal
    folder, vertex_count, provenance : as for `write_atlas`
    """
    _collect(folder, expressions).write(path, vertex_count, provenance)


def _collect(folder, items):
    """What is known of items before their means are read."""
    names, status = items["name"].tolist(), items["status"].tolist()
    median = items[[f"median_{axis}" for axis in AXES]].to_numpy(np.float64, copy=True)
    count = np.zeros(len(names), np.int64)
    for index, name in enumerate(names):
        if status[index] != OK:
            continue
        model = Path(folder) / f"{name}.zarr"
        if not store.manifest_of(model).exists():
            status[index] = INSUFFICIENT
            continue
        attributes = store.open(model).attributes
        count[index] = len(attributes["frame_ids"])
        label = [attributes[f"median_{axis}"] for axis in AXES]
        median[index] = np.array(label, np.float64)
    shares = np.diag((np.array(status) == OK).astype(np.float64))
    return _Atlas(Path(folder), names, status, median, count, shares)


@dataclass
class _Atlas:
    folder: Path
    names: list[str]
    status: list[str]
    median: np.ndarray
    count: np.ndarray
    shares: np.ndarray

    def interpolate(self, centres):
        """Give classes without a model shares of those around their centres (C, 2)."""
        own = np.flatnonzero(self.shares.any(1))
        inside = in_hull(centres, self.median[own])
        for index in np.flatnonzero(inside & ~self.shares.any(1)):
            self.status[index] = INTERPOLATED
            self.median[index] = centres[index]
            self.shares[index, own] = natural_neighbour_weights(centres[index], self.median[own])[0]

    def write(self, path, vertex_count, provenance):
        means = _Means(self.folder, self.names, self.shares, vertex_count)
        arrays: dict[str, np.ndarray | store.Vertices] = {
            "mean": store.Vertices(means, np.zeros((vertex_count, 3), np.float32)),
            "median": self.median,
            "count": self.count,
            "status": np.array([STATUSES.index(name) for name in self.status], np.uint8),
            "shares": self.shares,
        }
        attributes = {"names": self.names, "statuses": STATUSES}
        store.write(path, arrays, attributes, provenance)


class _Means:
    """The means (C, V, 3) of an atlas, mixed from the models' as they are sliced."""

    def __init__(self, folder, names, shares, vertex_count):
        self.folder, self.names, self.shares = folder, names, shares
        self.shape, self.dtype = (len(names), vertex_count, 3), np.dtype(np.float32)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, rows):
        return np.stack([self._mix(shares) for shares in self.shares[rows]])

    def _mix(self, shares):
        mixed = np.zeros(self.shape[1:])
        for index in np.flatnonzero(shares):
            model = store.open(self.folder / f"{self.names[index]}.zarr")
            mixed += shares[index] * model["mean"][...]
        return mixed.astype(np.float32)
