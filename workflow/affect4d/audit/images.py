"""Each synthesized image has its class, its fit and its photograph, and its class's label."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.artifacts import fitting, neutrals, synthesis
from affect4d.artifacts.dataset import MEAN
from affect4d.artifacts.statuses import INTERPOLATED, OK
from affect4d.audit.agreement import ATLAS, AXES, LABEL_TOLERANCE, classes_with_status
from affect4d.audit.verdict import Finding, Kind, damaged, guarded, shortened
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.dataset.rows import read_chunk
from affect4d.store import Store

_FITTED, _ACCEPTED = ("image_ids", "subjects", "images"), ("image_id", "subject", "path")


class _AtlasLabels(NamedTuple):
    """Names of the classes, medians (C, 2), classes with a deformation, interpolated classes."""

    names: list[str]
    medians: NDArray[np.float64]
    usable: list[int]
    interpolated: list[int]


class Images:
    """The synthesis chunks, one at a time; no image is kept once it was checked.

    Parameters
    ----------
    build : what may be compared

    Attributes
    ----------
    checked : the chunks that are valid
    sizes : height and width of their images
    """

    def __init__(self, build: VerifiedBuild) -> None:
        self._build = build
        self._people: dict[str, dict[str, tuple[str, str]]] = {}
        self.checked: set[str] = set()
        self.sizes: set[tuple[int, ...]] = set()

    def check(self) -> Iterator[Finding]:
        """Check every image of every chunk against its class, fit and photograph."""
        chunks = [n for n in self._build.stores if synthesis.CHUNK.match(f"{n}.zarr")]
        for name in self._build.chosen(chunks):
            yield from guarded(name, f"{name}.zarr", self._check_chunk, name)

    def rows(self, name: str) -> pd.DataFrame:
        """What the dataset must say of a chunk's images and of its photographs."""
        chunk = self._build.open_if_valid(name)
        assert chunk is not None
        return read_chunk(chunk)

    def _check_chunk(self, name: str) -> Iterator[Finding]:
        chunk = self._build.open_if_valid(name)
        if chunk is None:
            return
        yield from self._check_classes(name, chunk)
        yield from self._check_photographs(name, chunk)
        rows = read_chunk(chunk)
        yield from _check_names(name, rows[rows["class"] >= 0])
        self.checked.add(name)
        self.sizes.add(chunk["images"].shape[1:3])
        if len(chunk["images"]):
            index = self._build.number(name, len(chunk["images"]))
            yield from guarded(name, f"{name}.zarr/images", _decode, name, chunk, index)

    @cached_property
    def _atlas(self) -> _AtlasLabels | None:
        """The atlas, where it is valid."""
        atlas = self._build.open_if_valid(ATLAS)
        if atlas is None:
            return None
        return _AtlasLabels(
            atlas.attributes["names"],
            atlas["median"][...],
            classes_with_status(atlas, OK, INTERPOLATED),
            classes_with_status(atlas, INTERPOLATED),
        )

    def _check_classes(self, name: str, chunk: Store) -> Iterator[Finding]:
        """Every label is the median of the frames behind its class's mean."""
        atlas = self._atlas
        if atlas is None:
            return
        ids, classes = chunk.attributes["image_ids"], chunk["class"][...]
        if chunk.attributes["classes"] != atlas.names:
            yield _damaged(name, "zarr.json", "names other classes than the atlas")
            return
        for index in np.setdiff1d(classes, atlas.usable):
            what = f"images show class {atlas.names[index]}, which has no deformation"
            yield _damaged(name, "class", what)
        mixed = np.isin(classes, atlas.interpolated)
        yield from shortened(
            _damaged(name, "interpolated", f"{ids[i]} does not say whether it is interpolated")
            for i in np.flatnonzero(chunk["interpolated"][...] != mixed)
        )
        for index in np.unique(classes[~mixed]):
            model = f"blendshapes/{atlas.names[index]}"
            if self._build.is_missing(model):
                what = f"the model of class {index} is missing"
                yield Finding(Kind.UNRESOLVED, name, f"{model}.zarr", what, "run snakemake")
        for axis, medians in zip(AXES, atlas.medians.T, strict=True):
            wrong = ~(np.abs(chunk[axis][...] - medians[classes]) <= LABEL_TOLERANCE)
            yield from shortened(
                _damaged(name, axis, f"the {axis} of {ids[i]} is not the median of its class")
                for i in np.flatnonzero(wrong)
            )

    def _check_photographs(self, name: str, chunk: Store) -> Iterator[Finding]:
        """Every photograph is an accepted one and was fitted."""
        fields = synthesis.CHUNK.match(f"{name}.zarr") or {}
        photographs = chunk.attributes["photographs"]
        known = {"accepted": self._accepted(chunk.attributes["database"])}
        fits = fitting.FITS.name(**fields).removesuffix(".zarr")
        if (stored := self._build.open_if_valid(fits)) is not None:
            known["fitted"] = _people(*(stored.attributes[key] for key in _FITTED))
        elif self._build.is_missing(fits):
            what = "the fits of its photographs are missing"
            yield Finding(Kind.UNRESOLVED, name, f"{fits}.zarr", what, "run snakemake")
        for how, people in known.items():
            yield from shortened(
                _damaged(name, "zarr.json", f"photograph {p['image_id']} was not {how} as such")
                for p in photographs
                if people is not None and people.get(p["image_id"]) != (p["subject"], p["path"])
            )
        subjects = [photographs[index]["subject"] for index in chunk["photograph"][...]]
        stated = zip(chunk.attributes["image_ids"], chunk.attributes["subjects"], strict=True)
        yield from shortened(
            _damaged(name, "zarr.json", f"{image_id} has another subject than its photograph")
            for (image_id, subject), shown in zip(stated, subjects, strict=True)
            if subject != shown
        )

    def _accepted(self, database: str) -> dict[str, tuple[str, str]] | None:
        """Subject and path of each accepted photograph; None where their table is not valid."""
        name = neutrals.ACCEPTED_TABLE.name(database=database)
        if name not in self._build.tables:
            return None
        if database not in self._people:
            table = pd.read_csv(self._build.root / name, dtype=str, keep_default_na=False)
            self._people = {database: _people(*(table[key] for key in _ACCEPTED))}
        return self._people[database]


def _check_names(name: str, rows: pd.DataFrame) -> Iterator[Finding]:
    """An image is named after its photograph, its class and its sample, and no two are the same."""
    suffix = rows["sample"].map(lambda sample: "" if sample == MEAN else f"-s{sample}")
    expected = rows["neutral_image_id"] + "-" + rows["class_name"] + suffix
    yield from shortened(
        _damaged(name, "zarr.json", f"{image_id} is the image {other} by its arrays")
        for image_id, other in zip(rows["image_id"], expected, strict=True)
        if image_id != other
    )
    yield from shortened(
        _damaged(name, "zarr.json", f"{image_id} occurs twice")
        for image_id in rows.loc[rows["image_id"].duplicated(), "image_id"]
    )


def _people(
    image_ids: Iterable[str], subjects: Iterable[str], paths: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Subject and path of each photograph."""
    return dict(zip(image_ids, zip(subjects, paths, strict=True), strict=True))


def _decode(name: str, chunk: Store, index: int) -> Iterator[Finding]:
    """Read one image as pixels."""
    image, size = chunk["images"][index], chunk.attributes["settings"]["size"]
    if image.shape != (size, size, 3) or image.dtype != np.uint8:
        what = f"image {index} is {image.shape} {image.dtype} in place of {size} x {size} uint8"
        yield _damaged(name, "images", what)


def _damaged(name: str, part: str, what: str) -> Finding:
    return damaged(name, f"{name}.zarr/{part}", what)
