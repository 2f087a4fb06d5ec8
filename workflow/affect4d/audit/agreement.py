"""Do artifacts agree on frames and classes: counts with what was counted, labels with medians."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from affect4d.affectspace.grid import Grid
from affect4d.artifacts.statuses import INTERPOLATED, OK
from affect4d.audit.stores import check_store, sound
from affect4d.audit.tables import batches, hashes
from affect4d.audit.verdict import Finding, Kind, few, guarded
from affect4d.audit.whole import Whole
from affect4d.store import Store
from affect4d.store.manifest import SUFFIX

_GALLERY, _FRAMES = "gallery/frames.parquet", "affectspace/frames.parquet"
_CLASSES, ATLAS = "affectspace/classes.parquet", "blendshapes/atlas"
EXPRESSIONS = "blendshapes/expressions"
_AXES = ("valence", "arousal")
_TOLERANCE = 1e-9
_DEFORMATION_MM = 0.01  # the atlas is quantised, a class's own mean is not


@dataclass
class Frames:
    """The frames of the affect space, 32 bytes each: `id` stands for the frame_id."""

    id: np.ndarray
    index: np.ndarray
    place: np.ndarray

    @classmethod
    def read(cls, whole: Whole) -> "Frames":
        """Read the columns that are compared."""
        ids, index, place = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.empty((0, 2))]
        for batch in batches(whole.root / _FRAMES, ["frame_id", "class", *_AXES]):
            ids.append(hashes(batch["frame_id"]))
            index.append(batch["class"].to_numpy(zero_copy_only=False))
            columns = [batch[axis].to_numpy(zero_copy_only=False) for axis in _AXES]
            place.append(np.column_stack(columns))
        order = np.argsort(every := np.concatenate(ids), kind="stable")
        return cls(every[order], np.concatenate(index)[order], np.concatenate(place)[order])

    def rows(self, frame_ids: list[str]) -> np.ndarray:
        """Where frames are (n,), -1 for those that are not there."""
        wanted = hashes(frame_ids)
        if not len(self.id):
            return np.full(len(wanted), -1)
        places = np.minimum(np.searchsorted(self.id, wanted), len(self.id) - 1)
        return np.where(self.id[places] == wanted, places, -1)


def check(whole: Whole) -> Iterator[Finding]:
    """Compare the artifacts that are there and whole, from the gallery to the atlas."""
    compared = _Compared(whole)
    steps = (
        ("affectspace/affectspace", _CLASSES, compared.classes_with_frames),
        ("affectspace/affectspace", _FRAMES, compared.frames_with_gallery),
        ("gallery/frames", _GALLERY, compared.gallery_with_scans),
        (ATLAS, f"{ATLAS}.zarr", compared.check_atlas),
        (EXPRESSIONS, f"{EXPRESSIONS}.zarr", compared.check_expressions),
    )
    for artifact, file, step in steps:
        if artifact in whole.artifacts:
            yield from guarded(artifact, file, step)
    for names, look in (
        (compared.sequences, compared.check_sequence),
        (compared.models, compared.check_model),
    ):
        for name in whole.chosen(names):
            yield from guarded(name, f"{name}.zarr", look, name)


@dataclass
class _Compared:
    whole: Whole

    @cached_property
    def frames(self) -> Frames | None:
        """The frames of the affect space, where they are whole."""
        return Frames.read(self.whole) if _FRAMES in self.whole.tables else None

    @cached_property
    def classes(self) -> pd.DataFrame | None:
        """The classes, where they are whole."""
        if _CLASSES not in self.whole.tables:
            return None
        return pd.read_parquet(self.whole.root / _CLASSES).set_index("class")

    @cached_property
    def atlas(self) -> Store | None:
        """The atlas, where it is whole."""
        return sound(self.whole, ATLAS)

    @cached_property
    def names(self) -> list[str] | None:
        """The names of the classes, where they or the atlas are whole."""
        if self.classes is not None:
            return self.classes["name"].tolist()
        return None if self.atlas is None else self.atlas.attributes["names"]

    @cached_property
    def expressions(self) -> Store | None:
        """The basic expressions' atlas, where it is whole."""
        return sound(self.whole, EXPRESSIONS)

    @cached_property
    def apexes(self) -> pd.DataFrame | None:
        """Expression and `id` (for the frame_id) of the apex frames of a whole gallery."""
        if _GALLERY not in self.whole.tables:
            return None
        found = []
        for batch in batches(self.whole.root / _GALLERY, ["frame_id", "expression", "is_apex"]):
            rows = batch.filter(batch["is_apex"])
            columns = {"id": hashes(rows["frame_id"]), "expression": rows["expression"].to_pylist()}
            found.append(pd.DataFrame(columns))
        return pd.concat(found, ignore_index=True) if found else None

    @property
    def sequences(self) -> list[str]:
        """The registered sequences."""
        return [name for name in self.whole.stores if name.startswith("registered/")]

    @property
    def models(self) -> list[str]:
        """The classes' and expressions' models."""
        stores = (n for n in self.whole.stores if n.startswith("blendshapes/"))
        return [n for n in stores if n not in (ATLAS, EXPRESSIONS)]

    def classes_with_frames(self) -> Iterator[Finding]:
        """Counts and medians of the classes, against the frames themselves."""
        frames, classes = self.frames, self.classes
        if frames is None or classes is None:
            return
        used = pd.DataFrame(frames.place, columns=list(_AXES)).groupby(frames.index)
        count = used.size().reindex(classes.index, fill_value=0)
        medians = used.median().reindex(classes.index)
        for index in classes.index[count != classes["count"]]:
            said = classes.loc[index, "count"]
            what = f"class {index} counts {said} frames, {count[index]} are in it"
            yield _damaged("affectspace/affectspace", _CLASSES, what)
        for axis in _AXES:
            same = np.isclose(
                medians[axis], classes[f"median_{axis}"], rtol=0, atol=_TOLERANCE, equal_nan=True
            )
            for index in classes.index[~same]:
                what = f"the median {axis} of class {index} is {medians.loc[index, axis]:.6f}"
                yield _damaged("affectspace/affectspace", _CLASSES, what)
        grid = Grid(round(len(classes) ** 0.5))
        inside = frames.index >= 0
        wrong = grid.assign(*frames.place[inside].T) != frames.index[inside]
        if wrong.any():
            what = f"{wrong.sum()} frames are not in the class of their valence and arousal"
            yield _damaged("affectspace/affectspace", _FRAMES, what)

    def frames_with_gallery(self) -> Iterator[Finding]:
        """The affect space has the gallery's frames."""
        if _GALLERY not in self.whole.tables:
            return
        counts = [_rows(self.whole, table) for table in (_FRAMES, _GALLERY)]
        if counts[0] != counts[1]:
            what = f"has {counts[0]} frames, the gallery {counts[1]}"
            yield _damaged("affectspace/affectspace", _FRAMES, what)

    def gallery_with_scans(self) -> Iterator[Finding]:
        """The gallery has the scans of its chunks."""
        inputs = self.whole.build.manifests[f"gallery/frames{SUFFIX}"].inputs
        chunks = [name for name in inputs if name.startswith("gallery/scans/")]
        tables = [name.removesuffix(SUFFIX) + ".csv" for name in chunks]
        if not tables or not set(tables) <= set(self.whole.tables):
            return
        count = sum(len(pd.read_csv(self.whole.root / t, usecols=["frame"])) for t in tables)
        if count != (found := _rows(self.whole, _GALLERY)):
            yield _damaged("gallery/frames", _GALLERY, f"has {found} frames, its scans {count}")

    def check_sequence(self, name: str) -> Iterator[Finding]:
        """Every registered frame is one of the gallery's."""
        stored = self.whole.open(name)
        yield from check_store(name, stored)
        if self.frames is None:
            return
        ids = stored.attributes["frame_ids"]
        yield from few(
            _damaged(name, f"{name}.zarr/zarr.json", f"frame {ids[i]} is not in {_FRAMES}")
            for i in np.flatnonzero(self.frames.rows(ids) < 0)
        )

    def check_model(self, name: str) -> Iterator[Finding]:
        """A class's label is the median of the very frames behind its mean; the atlas has both.

        An expression's frames are apexes of it.
        """
        stored = self.whole.open(name)
        wrong = check_store(name, stored)
        yield from wrong
        if wrong:
            return
        if "expression" in stored.attributes:
            yield from self._apexes_of(name, stored.attributes)
            if self.expressions is not None:
                index = self.expressions.attributes["names"].index(name.split("/")[1])
                yield from self._in_atlas(EXPRESSIONS, self.expressions, index, stored)
            return
        if self.names is not None and name.split("/")[1] not in self.names:
            what = "is the model of a class that the plane does not have"
            yield Finding(Kind.STALE, name, f"{name}.zarr", what, "run snakemake, which removes it")
            return
        if self.frames is not None and self.classes is not None:
            yield from self._frames_of(name, stored.attributes)
        if self.atlas is not None:
            yield from self._in_atlas(ATLAS, self.atlas, stored.attributes["class"], stored)

    def _frames_of(self, name: str, attributes: dict[str, Any]) -> Iterator[Finding]:
        assert self.frames is not None and self.classes is not None
        file, ids, index = f"{name}.zarr/zarr.json", attributes["frame_ids"], attributes["class"]
        if self.classes.loc[index, "name"] != name.split("/")[1]:
            yield _damaged(name, file, f"class {index} is {self.classes.loc[index, 'name']}")
        rows = self.frames.rows(ids)
        strange = (rows < 0) | (self.frames.index[rows] != index)
        yield from few(
            _damaged(name, file, f"frame {ids[i]} is not in class {index}")
            for i in np.flatnonzero(strange)
        )
        if strange.any():
            return
        for axis, median in zip(_AXES, np.median(self.frames.place[rows], axis=0), strict=True):
            if not abs(attributes[f"median_{axis}"] - median) <= _TOLERANCE:
                what = f"the median {axis} of its frames is {median:.6f}"
                yield _damaged(name, file, what)

    def _apexes_of(self, name: str, attributes: dict[str, Any]) -> Iterator[Finding]:
        file, expression = f"{name}.zarr/zarr.json", attributes["expression"]
        if expression != name.split("/")[1]:
            yield _damaged(name, file, f"is the model of {expression}")
        if self.apexes is None:
            return
        own = self.apexes.loc[self.apexes["expression"] == expression, "id"]
        ids = attributes["frame_ids"]
        yield from few(
            _damaged(name, file, f"frame {ids[i]} is no apex of {expression}")
            for i in np.flatnonzero(~np.isin(hashes(ids), own))
        )

    def _in_atlas(self, name: str, atlas: Store, index: int, model: Store) -> Iterator[Finding]:
        attributes: dict[str, Any] = model.attributes
        label = np.array([attributes[f"median_{axis}"] for axis in _AXES], np.float64)
        same = np.isclose(
            atlas["median"][index], label, rtol=0, atol=_TOLERANCE, equal_nan=True
        ).all()
        wrong = {
            "median": not same,
            "count": atlas["count"][index] != len(attributes["frame_ids"]),
            "mean": not np.abs(atlas["mean"][index] - model["mean"][...]).max() <= _DEFORMATION_MM,
        }
        for array in (array for array, differs in wrong.items() if differs):
            what = f"the {array} of class {index} is not that of its model"
            yield _damaged(name, f"{name}.zarr/{array}", what)

    def check_atlas(self) -> Iterator[Finding]:
        """The atlas has the classes' names, and a model stands behind every deformation."""
        if self.atlas is None:
            yield from check_store(ATLAS, self.whole.open(ATLAS))
            return
        names = self.atlas.attributes["names"]
        if self.classes is not None and names != self.classes["name"].tolist():
            yield _damaged(ATLAS, f"{ATLAS}.zarr/zarr.json", "names other classes than the plane")
        yield from self._models_of(ATLAS, self.atlas)
        yield from self._mixtures(self.atlas)

    def check_expressions(self) -> Iterator[Finding]:
        """A model stands behind every expression's deformation."""
        if self.expressions is None:
            yield from check_store(EXPRESSIONS, self.whole.open(EXPRESSIONS))
            return
        yield from self._models_of(EXPRESSIONS, self.expressions)

    def _models_of(self, artifact: str, atlas: Store) -> Iterator[Finding]:
        for index in with_model(atlas):
            name = f"blendshapes/{atlas.attributes['names'][index]}"
            if name not in self.whole.broken and name not in self.whole.stores:
                what = f"class {index} has a mean and no model {name}.zarr"
                yield Finding(Kind.OPEN, artifact, f"{artifact}.zarr/mean", what, "run snakemake")

    def _mixtures(self, atlas: Store) -> Iterator[Finding]:
        """An interpolated mean is the mixture that it says of means with a model behind them."""
        own, mixtures = with_model(atlas), interpolated(atlas)
        if not mixtures:
            return
        every, label = atlas["shares"][...], atlas["median"][...]
        for index in mixtures:
            shares = every[index]
            sources = np.flatnonzero(shares)
            file = f"{ATLAS}.zarr/shares"
            if not np.isin(sources, own).all() or abs(shares.sum() - 1) > _TOLERANCE:
                what = f"class {index} is no mixture of classes with a model"
                yield _damaged(ATLAS, file, what)
                continue
            mixed = np.tensordot(shares[sources], atlas["mean"][sources], 1)
            if not np.abs(mixed - atlas["mean"][index]).max() <= 2 * _DEFORMATION_MM:
                what = f"the mean of class {index} is not the mixture that it says"
                yield _damaged(ATLAS, file, what)
            if self.classes is not None:
                centre = self.classes.loc[index, [f"centre_{axis}" for axis in _AXES]]
                if not np.allclose(centre.to_numpy(np.float64), label[index], 0, _TOLERANCE):
                    what = f"the label of class {index}, interpolated, is not its centre"
                    yield _damaged(ATLAS, f"{ATLAS}.zarr/median", what)


def usable(atlas: Store) -> list[int]:
    """The classes of an atlas that have a deformation."""
    return sorted([*with_model(atlas), *interpolated(atlas)])


def with_model(atlas: Store) -> list[int]:
    """The classes of an atlas that have a deformation of their own frames."""
    return _with_status(atlas, OK)


def interpolated(atlas: Store) -> list[int]:
    """The classes of an atlas whose deformation is interpolated."""
    return _with_status(atlas, INTERPOLATED)


def _with_status(atlas: Store, status: str) -> list[int]:
    code = atlas.attributes["statuses"].index(status)
    return np.flatnonzero(atlas["status"][...] == code).tolist()


def _rows(whole: Whole, table: str) -> int:
    with pq.ParquetFile(whole.root / table) as file:
        return file.metadata.num_rows


def _damaged(artifact: str, file: str, what: str) -> Finding:
    return Finding(Kind.DAMAGED, artifact, file, what)
