"""Do artifacts agree on frames and classes: counts with what was counted, labels with medians."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affect4d.affectspace.grid import Grid
from affect4d.artifacts import affectspace, blendshapes, gallery, registration
from affect4d.artifacts.statuses import INTERPOLATED, OK, decode_statuses
from affect4d.audit.tables import batches, hashes
from affect4d.audit.verdict import Finding, Kind, damaged, guarded, shortened
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.store import Store
from affect4d.store.manifest import SUFFIX

ATLAS, EXPRESSIONS = "blendshapes/atlas", "blendshapes/expressions"
AXES = ["valence", "arousal"]
LABEL_TOLERANCE = 1e-9  # of valence and arousal: rounding of medians
_DEFORMATION_MM = 0.01  # the atlas is quantised, a class's own mean is not
_GALLERY, _FRAMES = gallery.FRAMES.name(), affectspace.FRAMES.name()
_CLASSES, _AFFECT_SPACE = affectspace.CLASSES.name(), affectspace.AFFECT_SPACE.name()


@dataclass
class _Frames:
    """The frames of the affect space, 32 bytes each.

    Attributes
    ----------
    keys : (n,) hashes of the frame_ids, sorted
    classes : (n,) class, -1 where there is none
    labels : (n, 2) valence and arousal
    """

    keys: NDArray[np.uint64]
    classes: NDArray[np.int64]
    labels: NDArray[np.float64]

    @classmethod
    def read(cls, build: VerifiedBuild) -> "_Frames":
        """Read the columns that are compared."""
        keys, classes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        labels = [np.empty((0, 2))]
        for batch in batches(build.root / _FRAMES, ["frame_id", "class", *AXES]):
            keys.append(hashes(batch["frame_id"]))
            classes.append(batch["class"].to_numpy(zero_copy_only=False))
            columns = [batch[axis].to_numpy(zero_copy_only=False) for axis in AXES]
            labels.append(np.column_stack(columns))
        order = np.argsort(unsorted := np.concatenate(keys), kind="stable")
        return cls(unsorted[order], np.concatenate(classes)[order], np.concatenate(labels)[order])

    def rows(self, frame_ids: list[str]) -> NDArray[np.intp]:
        """Rows (n,) of frames, -1 for those that are not there."""
        wanted = hashes(frame_ids)
        if not len(self.keys):
            return np.full(len(wanted), -1)
        rows = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[rows] == wanted, rows, -1)


def check_agreement(build: VerifiedBuild) -> Iterator[Finding]:
    """Compare the artifacts that are valid, from the gallery to the atlas."""
    compared = _Compared(build)
    for artifact, file, step in (
        (_AFFECT_SPACE, _CLASSES, compared.classes_with_frames),
        (_AFFECT_SPACE, _FRAMES, compared.frames_with_gallery),
        (gallery.GALLERY.name(), _GALLERY, compared.gallery_with_scans),
        (ATLAS, f"{ATLAS}.zarr", compared.check_atlas),
        (EXPRESSIONS, f"{EXPRESSIONS}.zarr", compared.check_expressions),
    ):
        if artifact in build.artifacts:
            yield from guarded(artifact, file, step)
    sequences = [n for n in build.stores if registration.REGISTERED.match(f"{n}.zarr")]
    models = [n for n in build.stores if blendshapes.MODEL.match(f"{n}.zarr")]
    models = [name for name in models if name not in (ATLAS, EXPRESSIONS)]
    for names, check in ((sequences, compared.check_sequence), (models, compared.check_model)):
        for name in build.chosen(names):
            yield from guarded(name, f"{name}.zarr", check, name)


@dataclass
class _Compared:
    """What artifacts are compared with; each attribute is None where it is not valid."""

    build: VerifiedBuild

    @cached_property
    def frames(self) -> _Frames | None:
        """The frames of the affect space."""
        return _Frames.read(self.build) if _FRAMES in self.build.tables else None

    @cached_property
    def classes(self) -> pd.DataFrame | None:
        """The classes, by their number."""
        if _CLASSES not in self.build.tables:
            return None
        return pd.read_parquet(self.build.root / _CLASSES).set_index("class")

    @cached_property
    def atlas(self) -> Store | None:
        """The atlas."""
        return self.build.open_if_valid(ATLAS)

    @cached_property
    def expressions(self) -> Store | None:
        """The basic expressions' atlas."""
        return self.build.open_if_valid(EXPRESSIONS)

    @cached_property
    def names(self) -> list[str] | None:
        """The names of the classes, where they or the atlas are valid."""
        if self.classes is not None:
            return list(self.classes["name"])
        return None if self.atlas is None else list(self.atlas.attributes["names"])

    @cached_property
    def apexes(self) -> pd.DataFrame | None:
        """Expression and `key` (hash of the frame_id) of the gallery's apex frames."""
        if _GALLERY not in self.build.tables:
            return None
        parts = []
        for batch in batches(self.build.root / _GALLERY, ["frame_id", "expression", "is_apex"]):
            rows = batch.filter(batch["is_apex"])
            columns = {
                "key": hashes(rows["frame_id"]),
                "expression": rows["expression"].to_pylist(),
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True) if parts else None

    def classes_with_frames(self) -> Iterator[Finding]:
        """Counts and medians of the classes, against the frames themselves."""
        frames, classes = self.frames, self.classes
        if frames is None or classes is None:
            return
        used = pd.DataFrame(frames.labels, columns=AXES).groupby(frames.classes)
        count = used.size().reindex(classes.index, fill_value=0)
        medians = used.median().reindex(classes.index)
        for index in classes.index[count != classes["count"]]:
            stated = classes.loc[index, "count"]
            what = f"class {index} counts {stated} frames, {count[index]} are in it"
            yield damaged(_AFFECT_SPACE, _CLASSES, what)
        for axis in AXES:
            same = _close(medians[axis], classes[f"median_{axis}"])
            for index in classes.index[~same]:
                what = f"the median {axis} of class {index} is {medians.loc[index, axis]:.6f}"
                yield damaged(_AFFECT_SPACE, _CLASSES, what)
        grid = Grid(round(len(classes) ** 0.5))
        inside = frames.classes >= 0
        wrong = grid.assign(*frames.labels[inside].T) != frames.classes[inside]
        if wrong.any():
            what = f"{wrong.sum()} frames are not in the class of their valence and arousal"
            yield damaged(_AFFECT_SPACE, _FRAMES, what)

    def frames_with_gallery(self) -> Iterator[Finding]:
        """The affect space has the gallery's frames."""
        if _GALLERY in self.build.tables:
            counts = [self._row_count(table) for table in (_FRAMES, _GALLERY)]
            if counts[0] != counts[1]:
                what = f"has {counts[0]} frames, the gallery {counts[1]}"
                yield damaged(_AFFECT_SPACE, _FRAMES, what)

    def gallery_with_scans(self) -> Iterator[Finding]:
        """The gallery has the scans of its chunks."""
        artifact = gallery.GALLERY.name()
        inputs = self.build.build.manifests[artifact + SUFFIX].inputs
        chunks = filter(None, (gallery.CHUNK.match(n.removesuffix(SUFFIX)) for n in inputs))
        tables = [gallery.SCANS.name(**chunk) for chunk in chunks]
        if not tables or not set(tables) <= set(self.build.tables):
            return
        count = sum(len(pd.read_csv(self.build.root / t, usecols=["frame"])) for t in tables)
        if count != (frames := self._row_count(_GALLERY)):
            yield damaged(artifact, _GALLERY, f"has {frames} frames, its scans {count}")

    def _row_count(self, table: str) -> int:
        with pq.ParquetFile(self.build.root / table) as file:
            return int(file.metadata.num_rows)

    def check_sequence(self, name: str) -> Iterator[Finding]:
        """Every registered frame is one of the gallery's."""
        stored = self.build.open_if_valid(name)
        if stored is None or self.frames is None:
            return
        ids = stored.attributes["frame_ids"]
        yield from shortened(
            damaged(name, f"{name}.zarr/zarr.json", f"frame {ids[i]} is not in {_FRAMES}")
            for i in np.flatnonzero(self.frames.rows(ids) < 0)
        )

    def check_model(self, name: str) -> Iterator[Finding]:
        """A class's label is the median of the very frames behind its mean; the atlas has both.

        An expression's frames are apexes of it.
        """
        stored = self.build.open_if_valid(name)
        if stored is None:
            return
        title = name.split("/")[1]
        if "expression" in stored.attributes:
            yield from self._check_apexes(name, stored.attributes)
            if self.expressions is not None:
                index = self.expressions.attributes["names"].index(title)
                yield from _compare_with_atlas(EXPRESSIONS, self.expressions, index, model=stored)
            return
        if self.names is not None and title not in self.names:
            what = "is the model of a class that the plane does not have"
            yield Finding(Kind.STALE, name, f"{name}.zarr", what, "run snakemake, which removes it")
            return
        if self.frames is not None and self.classes is not None:
            yield from self._check_frames(
                name, stored.attributes, frames=self.frames, classes=self.classes
            )
        if self.atlas is not None:
            index = stored.attributes["class"]
            yield from _compare_with_atlas(ATLAS, self.atlas, index, model=stored)

    def _check_frames(
        self, name: str, attributes: dict[str, Any], *, frames: _Frames, classes: pd.DataFrame
    ) -> Iterator[Finding]:
        file, ids, index = f"{name}.zarr/zarr.json", attributes["frame_ids"], attributes["class"]
        if classes.loc[index, "name"] != name.split("/")[1]:
            yield damaged(name, file, f"class {index} is {classes.loc[index, 'name']}")
        rows = frames.rows(ids)
        strange = (rows < 0) | (frames.classes[rows] != index)
        yield from shortened(
            damaged(name, file, f"frame {ids[i]} is not in class {index}")
            for i in np.flatnonzero(strange)
        )
        if strange.any():
            return
        for axis, median in zip(AXES, np.median(frames.labels[rows], axis=0), strict=True):
            if not abs(attributes[f"median_{axis}"] - median) <= LABEL_TOLERANCE:
                yield damaged(name, file, f"the median {axis} of its frames is {median:.6f}")

    def _check_apexes(self, name: str, attributes: dict[str, Any]) -> Iterator[Finding]:
        file, expression = f"{name}.zarr/zarr.json", attributes["expression"]
        if expression != name.split("/")[1]:
            yield damaged(name, file, f"is the model of {expression}")
        if self.apexes is None:
            return
        keys = self.apexes.loc[self.apexes["expression"] == expression, "key"]
        ids = attributes["frame_ids"]
        yield from shortened(
            damaged(name, file, f"frame {ids[i]} is no apex of {expression}")
            for i in np.flatnonzero(~np.isin(hashes(ids), keys))
        )

    def check_atlas(self) -> Iterator[Finding]:
        """The atlas has the classes' names, and every deformation has a model behind it."""
        if self.atlas is None:
            return
        names = self.atlas.attributes["names"]
        if self.classes is not None and names != self.classes["name"].tolist():
            yield damaged(ATLAS, f"{ATLAS}.zarr/zarr.json", "names other classes than the plane")
        yield from self._check_models(ATLAS, self.atlas)
        yield from self._check_mixtures(self.atlas)

    def check_expressions(self) -> Iterator[Finding]:
        """Every expression's deformation has a model behind it."""
        if self.expressions is not None:
            yield from self._check_models(EXPRESSIONS, self.expressions)

    def _check_models(self, artifact: str, atlas: Store) -> Iterator[Finding]:
        for index in classes_with_status(atlas, OK):
            name = f"blendshapes/{atlas.attributes['names'][index]}"
            if self.build.is_missing(name):
                what = f"class {index} has a mean and no model {name}.zarr"
                file = f"{artifact}.zarr/mean"
                yield Finding(Kind.UNRESOLVED, artifact, file, what, "run snakemake")

    def _check_mixtures(self, atlas: Store) -> Iterator[Finding]:
        """An interpolated mean is the stated mixture of means that have a model behind them."""
        modelled, mixtures = (classes_with_status(atlas, status) for status in (OK, INTERPOLATED))
        if not mixtures:
            return
        weights, labels, file = atlas["shares"][...], atlas["median"][...], f"{ATLAS}.zarr/shares"
        for index in mixtures:
            sources = np.flatnonzero(weights[index])
            if (
                not np.isin(sources, modelled).all()
                or abs(weights[index].sum() - 1) > LABEL_TOLERANCE
            ):
                yield damaged(ATLAS, file, f"class {index} is no mixture of classes with a model")
                continue
            mixed = np.tensordot(weights[index, sources], atlas["mean"][sources], 1)
            if not np.abs(mixed - atlas["mean"][index]).max() <= 2 * _DEFORMATION_MM:
                yield damaged(ATLAS, file, f"the mean of class {index} is not the stated mixture")
            if self.classes is not None:
                centre = self.classes.loc[index, [f"centre_{axis}" for axis in AXES]]
                if not _close(centre.to_numpy(np.float64), labels[index]).all():
                    what = f"the label of class {index}, interpolated, is not its centre"
                    yield damaged(ATLAS, f"{ATLAS}.zarr/median", what)


def _compare_with_atlas(name: str, atlas: Store, index: int, *, model: Store) -> Iterator[Finding]:
    """An atlas has the label, count and mean of a class's model."""
    attributes = model.attributes
    label = np.array([attributes[f"median_{axis}"] for axis in AXES], np.float64)
    difference = np.abs(atlas["mean"][index] - model["mean"][...]).max()
    wrong = {
        "median": not _close(atlas["median"][index], label).all(),
        "count": atlas["count"][index] != len(attributes["frame_ids"]),
        "mean": not difference <= _DEFORMATION_MM,
    }
    for array in (array for array, differs in wrong.items() if differs):
        what = f"the {array} of class {index} is not that of its model"
        yield damaged(name, f"{name}.zarr/{array}", what)


def classes_with_status(atlas: Store, *statuses: str) -> list[int]:
    """The classes of an atlas whose deformations have one of these statuses, in order."""
    decoded = decode_statuses(atlas["status"][...], atlas.attributes["statuses"])
    return [int(index) for index in np.flatnonzero(np.isin(decoded, statuses))]


def _close(first: Any, second: Any) -> NDArray[np.bool_]:
    """Where labels are the same; both may be missing."""
    return np.asarray(np.isclose(first, second, rtol=0, atol=LABEL_TOLERANCE, equal_nan=True))
