"""The dataset: its rows are the images of its chunks, its images open, its own lists agree."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.artifacts import synthesis
from affect4d.artifacts.dataset import (
    CHECKSUMS,
    CROISSANT,
    DATASET,
    PHOTOGRAPH,
    READ,
    RENDERED,
    SHARD,
    SPLIT_TABLE,
)
from affect4d.audit.images import Images
from affect4d.audit.published_pictures import PublishedPictures
from affect4d.audit.tables import batches, hashes, table_names
from affect4d.audit.verdict import Finding, damaged, guarded, shortened
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.config.dataset import Settings
from affect4d.config.neutrals import Settings as NeutralsSettings
from affect4d.dataset.balance import balanced
from affect4d.dataset.splits import assign_splits
from affect4d.store.manifest import SUFFIX

_DATASET = DATASET.name()
_ROOT = f"{_DATASET}/"
_NOT_IN_CHUNKS = ("kind", "split")  # columns that a chunk alone does not state
_MAX_NAMED = 20  # images that differ: read again to say how
_SHA256_CHARACTERS, _SEPARATOR_CHARACTERS = 64, 2  # of a line of SHA256SUMS

Parts = Callable[[], Iterable[pd.DataFrame]]


def check_dataset(build: VerifiedBuild, images: Images) -> Iterator[Finding]:
    """Compare a dataset with its own lists and with the chunks it was built from.

    Parameters
    ----------
    build : what may be compared
    images : the chunks, all checked
    """
    if _DATASET not in build.artifacts:
        return
    published = _Published(build, images)
    for file, step in (
        (CHECKSUMS.name(), published.check_checksums),
        (CROISSANT.name(), published.check_croissant),
        (f"{_ROOT}data", published.check_rows),
    ):
        yield from guarded(_DATASET, file, step)
    pictures = PublishedPictures(build, images, published.chunks, settings=published.settings)
    for shard in build.chosen(published.shards):
        yield from guarded(_DATASET, shard, pictures.check, shard)


@dataclass
class _Published:
    build: VerifiedBuild
    images: Images

    @cached_property
    def files(self) -> dict[str, tuple[str, int]]:
        """Digest and size of each listed file, by its path within the dataset."""
        manifest = self.build.build.manifests[_DATASET + SUFFIX]
        return {file.path.removeprefix(_ROOT): (file.sha256, file.size) for file in manifest.files}

    @property
    def shards(self) -> list[str]:
        """The shards, relative to the results folder."""
        return [name for file in self.files if SHARD.match(name := _ROOT + file) is not None]

    @property
    def chunks(self) -> list[str]:
        """The chunks from which the dataset was built, where all are valid; else none."""
        inputs = self.build.build.manifests[_DATASET + SUFFIX].inputs
        names = [name.removesuffix(SUFFIX) for name in inputs]
        chunks = sorted(n for n in names if synthesis.CHUNK.match(f"{n}.zarr") is not None)
        return chunks if self.images.checked >= set(chunks) else []

    def check_checksums(self) -> Iterator[Finding]:
        """`SHA256SUMS` says of every file what the manifest says."""
        lines = CHECKSUMS.path(self.build.root).read_text("utf-8").splitlines()
        start = _SHA256_CHARACTERS + _SEPARATOR_CHARACTERS
        stated = {line[start:]: line[:_SHA256_CHARACTERS] for line in lines}
        listed = {_ROOT + name: sha256 for name, (sha256, _) in self.files.items()}
        del listed[CHECKSUMS.name()]
        yield from _compare(CHECKSUMS.name(), {_ROOT + n: s for n, s in stated.items()}, listed)

    def check_croissant(self) -> Iterator[Finding]:
        """`croissant.json` says of every shard what the manifest says."""
        content = json.loads(CROISSANT.path(self.build.root).read_bytes())
        files = [part for part in content["distribution"] if part["@type"] == "cr:FileObject"]
        stated = {_ROOT + f["contentUrl"]: (f["sha256"], f["contentSize"]) for f in files}
        listed = {_ROOT + name: (sha, f"{size} B") for name, (sha, size) in self.files.items()}
        shards = {name: listed[name] for name in self.shards}
        yield from _compare(CROISSANT.name(), stated, shards)

    def check_rows(self) -> Iterator[Finding]:
        """Every row is in its split and is an image of a chunk; every such image is a row."""
        counts = Counter[tuple[str, str, str]]()
        shards = self.build.chosen(self.shards)
        for shard in shards:
            yield from guarded(_DATASET, shard, self._check_shard, shard, counts)
        if len(shards) < len(self.shards):
            return
        yield from self._check_splits(counts)
        if not self.chunks:
            return
        columns = table_names(self.build.root / shards[0]) if shards else SHARD.names
        unknown = {"image", *READ.values(), *(_NOT_IN_CHUNKS if self.people is None else ())}
        columns = [name for name in columns if name not in unknown]
        differences = compare_rows(
            columns,
            made=lambda: map(self._made_rows, self.chunks),
            published=lambda: (rows for shard in shards for rows in self._rows(shard, columns)),
        )
        for image_id, what in differences:
            yield damaged(_DATASET, f"{_ROOT}data", f"{image_id} {what}, by the chunks")

    @cached_property
    def settings(self) -> Settings | None:
        """How the dataset was published, as its manifest states it; None where it does not."""
        stated = self.build.build.manifests[_DATASET + SUFFIX].settings
        return Settings.model_validate(stated["dataset"]) if "dataset" in stated else None

    @cached_property
    def people(self) -> pd.DataFrame | None:
        """Kind and split of each subject, by the settings; None where those are not stated."""
        settings = self.settings
        stated = self.build.build.manifests[_DATASET + SUFFIX].settings
        if settings is None or not {"neutrals", "seed"} <= {*stated} or not self.chunks:
            return None
        databases = NeutralsSettings.model_validate(stated["neutrals"]).databases
        kinds = {
            name: RENDERED if each.built_folder else PHOTOGRAPH for name, each in databases.items()
        }
        rows = pd.concat(map(self._published_rows, self.chunks))[["database", "subject"]]
        shares = {"validation": settings.validation, "test": settings.test}
        people = assign_splits(rows, **shares, seed=stated["seed"])
        return people.assign(kind=people["database"].map(kinds))

    @cached_property
    def _left_out(self) -> set[str]:
        """The images that the balance of the classes leaves out."""
        stated = self.build.build.manifests[_DATASET + SUFFIX].settings
        if "wanted" not in stated:
            return set()
        names = ["image_id", "class", "class_name", "database", "subject"]
        rows = pd.concat([self.images.rows(c)[names] for c in self.chunks], ignore_index=True)
        kept = balanced(rows, stated["wanted"], stated["seed"])
        return set(rows.loc[~kept, "image_id"])

    def _published_rows(self, chunk: str) -> pd.DataFrame:
        """The rows of a chunk that are published."""
        rows = self.images.rows(chunk)
        return rows[~rows["image_id"].isin(self._left_out)] if self._left_out else rows

    def _made_rows(self, chunk: str) -> pd.DataFrame:
        """What the dataset must say of a chunk's images and photographs."""
        rows = self._published_rows(chunk)
        if self.people is None:
            return rows
        return rows.merge(self.people.drop(columns="images"), on=["database", "subject"])

    def _rows(self, shard: str, columns: list[str]) -> Iterator[pd.DataFrame]:
        for batch in batches(self.build.root / shard, columns):
            yield batch.to_pandas()

    def _check_shard(self, shard: str, counts: Counter[tuple[str, str, str]]) -> Iterator[Finding]:
        split = Path(shard).name.split("-")[0]
        columns = ["image_id", "neutral_image_id", "class", *_PERSON, "valence", "arousal"]
        for rows in self._rows(shard, columns):
            counts.update(zip(*(rows[name] for name in _PERSON), strict=True))
            neutral = rows["image_id"] == rows["neutral_image_id"]
            label = rows[["valence", "arousal"]].notna()
            wrong = {
                f"is not of the split {split}": rows["split"] != split,
                "has class -1 and is made from another image, or the other way round": neutral
                != (rows["class"] == -1),
                "has a label and no class, or the other way round": (label.any(axis=1) & neutral)
                | ~(label.all(axis=1) | neutral),
            }
            for what, mask in wrong.items():
                ids = rows.loc[mask, "image_id"]
                yield from shortened(damaged(_DATASET, shard, f"{name} {what}") for name in ids)

    def _check_splits(self, counts: Counter[tuple[str, str, str]]) -> Iterator[Finding]:
        """`splits.csv` counts each subject's images, and no subject is in two splits."""
        file = SPLIT_TABLE.name()
        types = dict.fromkeys(_PERSON, str)
        table = pd.read_csv(SPLIT_TABLE.path(self.build.root), dtype=types, keep_default_na=False)
        keys = zip(*(table[name] for name in _PERSON), strict=True)
        stated = dict(zip(keys, table["images"], strict=True))
        yield from shortened(
            damaged(
                _DATASET,
                file,
                f"{'/'.join(key)}: {stated.get(key, 0)} images, {counts[key]} are there",
            )
            for key in sorted({*stated, *counts})
            if stated.get(key, 0) != counts[key]
        )
        if self.people is not None:
            drawn = self.people[[*_PERSON, "images"]]
            if not drawn.reset_index(drop=True).equals(table[[*_PERSON, "images"]]):
                yield damaged(_DATASET, file, "is not what seed, shares and names give")
        people = Counter((database, subject) for database, subject, _ in counts)
        yield from shortened(
            damaged(_DATASET, file, f"{'/'.join(person)} is in {count} splits")
            for person, count in people.items()
            if count > 1
        )


_PERSON = ("database", "subject", "split")


def compare_rows(columns: list[str], *, made: Parts, published: Parts) -> Iterator[tuple[str, str]]:
    """How the rows of two tables differ, by their image_id: (image_id, what is wrong).

    Of each row 16 bytes are kept; the rows of the first `_MAX_NAMED` images that differ are read
    again to name the columns.

    Parameters
    ----------
    columns : which are compared, image_id among them
    made, published : both give their table in parts, again each time they are called
    """
    none = np.empty((0, 2), np.uint64)
    sides = [
        np.concatenate([none, *(_digests(part, columns) for part in parts())])
        for parts in (made, published)
    ]
    sides = [side[np.lexsort(side.T)] for side in sides]
    if np.array_equal(sides[0], sides[1]):
        return
    signs = np.repeat([1, -1], [len(side) for side in sides])
    keys, digests = np.concatenate(sides).T
    balance = pd.Series(signs).groupby([keys, digests]).sum()
    differing = balance[balance != 0].index.unique(0).to_numpy()
    if len(sides[0]) != len(sides[1]):
        yield "the table", f"has {len(sides[1])} rows in place of {len(sides[0])}"
    expected, stated = (
        _select(parts(), columns, keys=differing[:_MAX_NAMED]) for parts in (made, published)
    )
    for image_id in sorted({*expected, *stated}):
        rows = expected.get(image_id, []), stated.get(image_id, [])
        if len(rows[0]) != len(rows[1]):
            yield image_id, f"occurs {len(rows[1])} times in place of {len(rows[0])}"
        else:
            other = [
                name
                for index, name in enumerate(columns)
                if Counter(row[index] for row in rows[0]) != Counter(row[index] for row in rows[1])
            ]
            yield image_id, f"has another {', '.join(other) or 'combination of values'}"
    if len(differing) > _MAX_NAMED:
        yield f"{len(differing) - _MAX_NAMED} more images", "differ"


def _digests(rows: pd.DataFrame, columns: list[str]) -> NDArray[np.uint64]:
    """Hashes (n, 2) of each row: of its image_id, and of the columns."""
    table = _comparable(rows, columns)
    digest = pd.util.hash_pandas_object(table, index=False, categorize=False)
    return np.stack([hashes(table["image_id"]), digest.to_numpy()], axis=1)


def _select(
    parts: Iterable[pd.DataFrame], columns: list[str], *, keys: NDArray[np.uint64]
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the images with these keys, by image_id; a missing value is None."""
    selected: dict[str, list[tuple[Any, ...]]] = {}
    for part in parts:
        rows = _comparable(part, columns)
        rows = rows[np.isin(hashes(rows["image_id"]), keys)].astype(object)
        for row in rows.where(rows.notna(), None).itertuples(index=False, name=None):
            selected.setdefault(row[columns.index("image_id")], []).append(row)
    return selected


def _comparable(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns, those that are missing as NaN; text as objects, floats as float64."""
    table = rows.reindex(columns=columns)
    for name in columns:
        if pd.api.types.is_float_dtype(table[name]):
            values = table[name].to_numpy(np.float64, copy=True)
            values[np.isnan(values)] = np.nan  # one NaN has many encodings
            table[name] = values
        elif not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].astype(object)
    return table


def _compare(name: str, stated: dict[str, Any], listed: dict[str, Any]) -> Iterator[Finding]:
    """Differences of a list of files from the manifest."""
    for file in sorted({*stated, *listed}):
        if stated.get(file) != listed.get(file):
            what = f"says of {file.removeprefix(_ROOT)} something else than the manifest"
            yield damaged(_DATASET, name, what)
