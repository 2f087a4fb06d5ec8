"""Each synthesized image has its class, its fit and its photograph, and its class's label."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from affect4d.artifacts.dataset import MEAN, NEUTRAL
from affect4d.audit.agreement import ATLAS, interpolated, usable
from affect4d.audit.ledger import Ledger
from affect4d.audit.stores import check_store, sound
from affect4d.audit.verdict import Finding, Kind, few, guarded
from affect4d.audit.whole import Whole
from affect4d.formats.paths import inside
from affect4d.store import Store

COLUMNS = [
    "image_id", "class", "class_name", "valence", "arousal", "sample", "interpolated",
    "database", "subject", "neutral_image_id",
]  # fmt: skip
_TOLERANCE = 1e-9
ROOM, _FITS = "synthesis/", "fits/"
_FITTED, _ACCEPTED = ("image_ids", "subjects", "images"), ("image_id", "subject", "path")


class Images:
    """The synthesis chunks, one at a time; nothing of a chunk is kept once it was looked at.

    Parameters
    ----------
    whole : what may be believed
    published : the chunks of the dataset, whose rows enter the `ledger`

    Attributes
    ----------
    ledger : Ledger of the rows of the chunks in `entered`
    sizes : height and width of their images
    """

    def __init__(self, whole: Whole, published: set[str]):
        self._whole = whole
        self._published = published
        self._names = [name for name in whole.stores if name.startswith(ROOM)]
        self.ledger = Ledger("image_id")
        self._tables: dict[str, dict[str, tuple[str, str]]] = {}
        self.entered: set[str] = set()
        self.sizes: set[tuple[int, ...]] = set()

    def check(self) -> Iterator[Finding]:
        """Hold every image of every chunk to its class, fit and photograph."""
        for name in self._whole.chosen(self._names):
            yield from guarded(name, f"{name}.zarr", self._check_chunk, name)

    def rows(self, name: str) -> pd.DataFrame:
        """What the dataset must say of a chunk's images and of its photographs: COLUMNS."""
        return self._rows(self._whole.open(name))

    def _rows(self, chunk: Store) -> pd.DataFrame:
        attributes = chunk.attributes
        database, photographs = attributes["database"], attributes["photographs"]
        photograph, index = chunk["photograph"][...], chunk["class"][...]
        neutral = np.array([f"{database}-{p['image_id']}" for p in photographs], object)
        subject = np.array([p["subject"] for p in photographs], object)
        made = {
            "image_id": np.array(attributes["image_ids"], object),
            "class": index,
            "class_name": np.array(attributes["classes"], object)[index],
            "valence": chunk["valence"][...],
            "arousal": chunk["arousal"][...],
            "sample": chunk["sample"][...],
            "interpolated": chunk["interpolated"][...],
            "subject": subject[photograph],
            "neutral_image_id": neutral[photograph],
        }
        untouched = {
            "image_id": neutral,
            "class": -1,
            "class_name": NEUTRAL,
            "valence": np.nan,
            "arousal": np.nan,
            "sample": MEAN,
            "interpolated": False,
            "subject": subject,
            "neutral_image_id": neutral,
        }
        rows = pd.concat([pd.DataFrame(made), pd.DataFrame(untouched)], ignore_index=True)
        return rows.assign(database=database)[COLUMNS]

    def _check_chunk(self, name: str) -> Iterator[Finding]:
        chunk = self._whole.open(name)
        wrong = check_store(name, chunk)
        yield from wrong
        if wrong:
            return
        yield from self._check_classes(name, chunk)
        yield from self._check_photographs(name, chunk)
        rows = self._rows(chunk)
        yield from self._check_names(name, rows[rows["class"] >= 0])
        if name in self._published:
            self.ledger.add(rows)
            self.entered.add(name)
            self.sizes.add(chunk["images"].shape[1:3])
        if len(chunk["images"]):
            place = self._whole.number(name, len(chunk["images"]))
            yield from guarded(name, f"{name}.zarr/images", _decode, name, chunk, place)

    @cached_property
    def _atlas(self) -> dict[str, Any] | None:
        """Names, medians and usable classes of the atlas, where it is whole."""
        atlas = sound(self._whole, ATLAS)
        if atlas is None:
            return None
        return {
            "names": atlas.attributes["names"],
            "median": atlas["median"][...],
            "usable": usable(atlas),
            "interpolated": interpolated(atlas),
        }

    def _check_classes(self, name: str, chunk: Store) -> Iterator[Finding]:
        """Every label is the median of the frames behind its class's mean."""
        if self._atlas is None:
            return
        ids, index = chunk.attributes["image_ids"], chunk["class"][...]
        if chunk.attributes["classes"] != self._atlas["names"]:
            yield _damaged(name, "zarr.json", "names other classes than the atlas")
            return
        for number in np.setdiff1d(index, self._atlas["usable"]):
            what = f"images show class {self._atlas['names'][number]}, which has no deformation"
            yield _damaged(name, "class", what)
        mixed = np.isin(index, self._atlas["interpolated"])
        yield from few(
            _damaged(name, "interpolated", f"{ids[i]} does not say whether it is interpolated")
            for i in np.flatnonzero(chunk["interpolated"][...] != mixed)
        )
        for number in np.unique(index[~mixed]):
            model = f"blendshapes/{self._atlas['names'][number]}"
            if model not in self._whole.stores and model not in self._whole.broken:
                what = f"the model of class {number} is missing"
                yield Finding(Kind.OPEN, name, f"{model}.zarr", what, "run snakemake")
        for axis, medians in zip(("valence", "arousal"), self._atlas["median"].T, strict=True):
            wrong = ~(np.abs(chunk[axis][...] - medians[index]) <= _TOLERANCE)
            yield from few(
                _damaged(name, axis, f"the {axis} of {ids[i]} is not the median of its class")
                for i in np.flatnonzero(wrong)
            )

    def _check_photographs(self, name: str, chunk: Store) -> Iterator[Finding]:
        """Every photograph is an accepted one and was fitted."""
        photographs = chunk.attributes["photographs"]
        known = {"accepted": self._accepted(chunk.attributes["database"])}
        fits = _FITS + name.removeprefix(ROOM)
        if fits in self._whole.stores:
            stored = self._whole.open(fits)
            yield from check_store(fits, stored)
            known["fitted"] = _people(*(stored.attributes[key] for key in _FITTED))
        elif fits not in self._whole.broken:
            what = "the fits of its photographs are missing"
            yield Finding(Kind.OPEN, name, f"{fits}.zarr", what, "run snakemake")
        for how, people in known.items():
            yield from few(
                _damaged(name, "zarr.json", f"photograph {p['image_id']} was not {how} as such")
                for p in photographs
                if people is not None and people.get(p["image_id"]) != (p["subject"], p["path"])
            )
        subjects = [photographs[number]["subject"] for number in chunk["photograph"][...]]
        yield from few(
            _damaged(name, "zarr.json", f"{image_id} has another subject than its photograph")
            for image_id, subject, own in zip(
                chunk.attributes["image_ids"], chunk.attributes["subjects"], subjects, strict=True
            )
            if subject != own
        )

    def _accepted(self, database: str) -> dict[str, tuple[str, str]] | None:
        """Subject and path of each accepted photograph; None where their table is broken."""
        if f"neutrals/{database}/neutrals" in self._whole.broken:
            return None
        if database not in self._tables:
            path = inside(self._whole.root, f"neutrals/{database}/accepted.csv")
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            self._tables = {database: _people(*(table[key] for key in _ACCEPTED))}
        return self._tables[database]

    def _check_names(self, name: str, rows: pd.DataFrame) -> Iterator[Finding]:
        """An image is called after its photograph, its class and the sample of it, once."""
        number = rows["sample"].map(lambda sample: "" if sample == MEAN else f"-s{sample}")
        called = rows["neutral_image_id"] + "-" + rows["class_name"] + number
        yield from few(
            _damaged(name, "zarr.json", f"{image_id} is the image {own} by its arrays")
            for image_id, own in zip(rows["image_id"], called, strict=True)
            if image_id != own
        )
        yield from few(
            _damaged(name, "zarr.json", f"{image_id} is there twice")
            for image_id in rows.loc[rows["image_id"].duplicated(), "image_id"]
        )


def _people(
    image_ids: Iterable[str], subjects: Iterable[str], paths: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Subject and path of each photograph."""
    return dict(zip(image_ids, zip(subjects, paths, strict=True), strict=True))


def _decode(name: str, chunk: Store, place: int) -> Iterator[Finding]:
    """Read one image as pixels."""
    image = chunk["images"][place]
    size = chunk.attributes["settings"]["size"]
    if image.shape != (size, size, 3) or image.dtype != np.uint8:
        what = f"image {place} is {image.shape} {image.dtype} in place of {size} x {size} uint8"
        yield _damaged(name, "images", what)


def _damaged(name: str, part: str, what: str) -> Finding:
    return Finding(Kind.DAMAGED, name, f"{name}.zarr/{part}", what)
