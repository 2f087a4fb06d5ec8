"""The atlas: mean deformation and label of every class in one store, which synthesis reads.

The basic expressions have an atlas of their own, of the same arrays.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.affectspace import CLASSES
from affect4d.artifacts.blendshapes import ATLAS, CHUNK, EXPRESSIONS, MODEL, QUARANTINE
from affect4d.artifacts.declaration import MANIFEST_SUFFIX
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import INSUFFICIENT, INTERPOLATED, OK, STATUSES
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbour_weights
from affect4d.pipeline.context import RunContext
from affect4d.store.protocol import remove
from affect4d.system_files import find_files

CLASS_MODELS = "v[-+]*_a[-+]*"  # glob of the models of classes, of any grid
AXES = ("valence", "arousal")


def build_atlas(
    context: RunContext, *, vertex_count: int, groups: int, interpolate: bool = False
) -> None:
    """Collect the classes' models in `blendshapes/atlas.zarr`; remove those of a former grid.

    The atlas holds, for C classes: mean (C, V, 3) float32 mm (zero where a class has no
    deformation), times the strength that its model states; median (C, 2) float64 valence and
    arousal, its label (the centre of a class that is interpolated, NaN where one is empty); count
    (C,) frames behind the mean; status (C,) uint8 into the attribute `statuses`; shares (C, C)
    float64, the weight of each class with a model in each mean.

    Parameters
    ----------
    context : of the run
    vertex_count : of the template
    groups : jobs that fit the classes, named by their numbers
    interpolate
        Give a class without a model, whose centre lies among the medians of those that have one,
        the natural neighbours' mean there.
    """
    classes = pd.read_parquet(open_file(CLASSES.path(context.root)))
    remove_former(context.root, set(classes["name"]), groups=groups)
    atlas = _collect(context.root, classes)
    if interpolate:
        atlas.interpolate(classes[[f"centre_{axis}" for axis in AXES]].to_numpy(np.float64))
    atlas.write(ATLAS.path(context.root), vertex_count, context.provenance())


def remove_former(root: Path, names: Collection[str], *, groups: int) -> None:
    """Remove what another grid, or another number of jobs, left in the results folder.

    Parameters
    ----------
    root : the results folder
    names : of the classes that there are
    groups : jobs that fit them, named by their numbers
    """
    pattern = MODEL.manifest(root, model=CLASS_MODELS)
    for manifest in find_files(pattern.parent, pattern.name):
        name = manifest.name.removesuffix(MANIFEST_SUFFIX)
        if name not in names:
            remove(manifest)
            remove(MODEL.path(root, model=name))
    for pattern in (CHUNK.manifest(root, group="*"), QUARANTINE.path(root, group="*")):
        for path in find_files(pattern.parent, pattern.name):
            job = path.name.split(".")[0]
            if job.isdecimal() and int(job) >= groups:
                remove(path)


def write_expressions(
    root: Path,
    expressions: pd.DataFrame,
    *,
    vertex_count: int,
    provenance: store.Provenance | None,
) -> None:
    """Collect the basic expressions' models in `blendshapes/expressions.zarr`, as the classes'.

    Parameters
    ----------
    root : the results folder
    expressions : name, status, median_valence, median_arousal
    vertex_count : of the template
    provenance : of the store
    """
    _collect(root, expressions).write(EXPRESSIONS.path(root), vertex_count, provenance)


def _collect(root: Path, items: pd.DataFrame) -> "_Atlas":
    """What is known of items before their means are read."""
    names, status = items["name"].tolist(), items["status"].tolist()
    median = items[[f"median_{axis}" for axis in AXES]].to_numpy(np.float64, copy=True)
    count = np.zeros(len(names), np.int64)
    for index, name in enumerate(names):
        if status[index] != OK:
            continue
        model = MODEL.path(root, model=name)
        if not store.manifest_of(model).exists():
            status[index] = INSUFFICIENT
            continue
        attributes = store.open(model).attributes
        count[index] = len(attributes["frame_ids"])
        label = [attributes[f"median_{axis}"] for axis in AXES]
        median[index] = np.array(label, np.float64)
    weights = np.diag((np.array(status) == OK).astype(np.float64))
    return _Atlas(root, names, status, median, count, weights)


@dataclass
class _Atlas:
    """Names, statuses, labels (C, 2) and counts (C,) of classes; weights (C, C) in their means."""

    root: Path
    names: list[str]
    status: list[str]
    median: NDArray[np.float64]
    count: NDArray[np.int64]
    weights: NDArray[np.float64]

    def interpolate(self, centres: NDArray[np.float64]) -> None:
        """Give classes without a model a mixture of those around their centres (C, 2)."""
        has_model = self.weights.any(1)
        medians = self.median[has_model]
        for index in np.flatnonzero(in_hull(centres, medians) & ~has_model):
            self.status[index] = INTERPOLATED
            self.median[index] = centres[index]
            self.weights[index, has_model] = natural_neighbour_weights(centres[index], medians)[0]

    def write(self, path: Path, vertex_count: int, provenance: store.Provenance | None) -> None:
        means = _Means(self.root, self.names, self.weights, vertex_count=vertex_count)
        arrays: dict[str, NDArray[Any] | store.Vertices] = {
            "mean": store.Vertices(means, np.zeros((vertex_count, 3), np.float32)),
            "median": self.median,
            "count": self.count,
            "status": np.array([STATUSES.index(name) for name in self.status], np.uint8),
            "shares": self.weights,
        }
        store.write(
            path, arrays, {"names": self.names, "statuses": STATUSES}, provenance=provenance
        )


class _Means:
    """The means (C, V, 3) of an atlas, mixed from the models' as they are sliced."""

    def __init__(
        self, root: Path, names: list[str], weights: NDArray[np.float64], *, vertex_count: int
    ) -> None:
        self.root, self.names, self.weights = root, names, weights
        self.shape, self.dtype = (len(names), vertex_count, 3), np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        return np.stack([self._mix(weights) for weights in self.weights[rows]])

    def _mix(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        mixed = np.zeros(self.shape[1:])
        for index in np.flatnonzero(weights):
            model = store.open(MODEL.path(self.root, model=self.names[index]))
            mixed += weights[index] * model.attributes["strength"] * model["mean"][...]
        return mixed.astype(np.float32)
