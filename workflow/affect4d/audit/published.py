"""The dataset: its rows are the images of its chunks, its pictures open, its own lists agree."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from affect4d.audit.images import COLUMNS, ROOM, Images
from affect4d.audit.ledger import Ledger
from affect4d.audit.tables import batches
from affect4d.audit.verdict import Finding, Kind, few, guarded
from affect4d.audit.whole import Whole
from affect4d.dataset.publish import CHECKSUMS
from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX

_DATASET = "dataset"
_ROWS = [*COLUMNS, "split"]


def sources(build: Build) -> set[str]:
    """The chunks from which the dataset was built."""
    manifest = build.manifests.get(_DATASET + SUFFIX)
    names = (name.removesuffix(SUFFIX) for name in manifest.inputs) if manifest else ()
    return {name for name in names if name.startswith(ROOM)}


def check(whole: Whole, images: Images) -> Iterator[Finding]:
    """Compare a whole dataset with its own lists and with the chunks it was built from.

    Parameters
    ----------
    whole : what may be believed
    images : the chunks, all checked
    """
    if _DATASET not in whole.artifacts:
        return
    published = _Published(whole, images, sources(whole.build))
    for name, step in (
        (CHECKSUMS, published.checksums),
        ("croissant.json", published.croissant),
        ("data", published.rows),
    ):
        yield from guarded(_DATASET, f"{_DATASET}/{name}", step)
    for shard in whole.chosen(published.shards):
        yield from guarded(_DATASET, shard, published.picture, shard)


@dataclass
class _Published:
    whole: Whole
    images: Images
    sources: set[str]

    @property
    def files(self) -> dict[str, tuple[str, int]]:
        """Digest and size of each listed file, by its path within the dataset."""
        manifest = self.whole.build.manifests[_DATASET + SUFFIX]
        start = f"{_DATASET}/"
        return {file.path.removeprefix(start): (file.sha256, file.size) for file in manifest.files}

    @property
    def shards(self) -> list[str]:
        """The shards, relative to the results folder."""
        return [f"{_DATASET}/{name}" for name in self.files if name.startswith("data/")]

    def checksums(self) -> Iterator[Finding]:
        """`SHA256SUMS` says of every file what the manifest says."""
        text = (self.whole.root / _DATASET / CHECKSUMS).read_text("utf-8")
        said = {line[66:]: line[:64] for line in text.splitlines()}
        asked = {name: sha for name, (sha, _) in self.files.items() if name != CHECKSUMS}
        yield from _compare(CHECKSUMS, said, asked)

    def croissant(self) -> Iterator[Finding]:
        """`croissant.json` says of every shard what the manifest says."""
        content = json.loads((self.whole.root / _DATASET / "croissant.json").read_bytes())
        parts = [part for part in content["distribution"] if part["@type"] == "cr:FileObject"]
        said = {part["contentUrl"]: (part["sha256"], part["contentSize"]) for part in parts}
        shards = (name.removeprefix(f"{_DATASET}/") for name in self.shards)
        asked = {name: (self.files[name][0], f"{self.files[name][1]} B") for name in shards}
        yield from _compare("croissant.json", said, asked)

    def rows(self) -> Iterator[Finding]:
        """Every row is in its split and is an image of a chunk; every such image is a row."""
        ledger, counts = self.images.ledger, Counter[tuple[str, str, str]]()
        shards = self.whole.chosen(self.shards)
        for shard in shards:
            yield from guarded(_DATASET, shard, self._shard, shard, ledger, counts)
        if len(shards) < len(self.shards):
            return
        yield from self._splits(counts)
        if self.images.entered != self.sources:
            return
        if ledger.balanced:
            return
        if ledger.made != ledger.published:
            what = f"has {ledger.published} rows, the chunks {ledger.made} images"
            yield _damaged("data", what)
        made = map(self.images.rows, sorted(self.sources))
        found = ledger.differences(
            COLUMNS, made, (r[COLUMNS] for s in shards for r in self._rows(s))
        )
        named = few(
            _damaged("data", f"{image_id} {what}, by the chunks") for image_id, what in found
        )
        yield from list(named) or [_damaged("data", "has other rows than the chunks have images")]

    def _rows(self, shard: str) -> Iterator[pd.DataFrame]:
        for batch in batches(self.whole.root / shard, _ROWS):
            rows = batch.to_pandas()
            text = [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])]
            yield rows.astype(dict.fromkeys(text, object))

    def _shard(self, shard: str, ledger: Ledger, counts: Counter) -> Iterator[Finding]:
        split = Path(shard).name.split("-")[0]
        for rows in self._rows(shard):
            ledger.take(rows[COLUMNS])
            counts.update(zip(rows["database"], rows["subject"], rows["split"], strict=True))
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
                yield from few(_damaged(shard, f"{image_id} {what}") for image_id in ids)

    def _splits(self, counts: Counter) -> Iterator[Finding]:
        """`splits.csv` counts each subject's images, and no subject is in two splits."""
        table = pd.read_csv(
            self.whole.root / _DATASET / "splits.csv", dtype={"database": str, "subject": str},
            keep_default_na=False,
        )  # fmt: skip
        keys = zip(table["database"], table["subject"], table["split"], strict=True)
        said = dict(zip(keys, table["images"], strict=True))
        yield from few(
            _damaged(
                "splits.csv", f"{'/'.join(key)}: {said.get(key, 0)} images, {counts[key]} are there"
            )
            for key in sorted({*said, *counts})
            if said.get(key, 0) != counts[key]
        )
        people = Counter((database, subject) for database, subject, _ in counts)
        yield from few(
            _damaged("splits.csv", f"{'/'.join(person)} is in {count} splits")
            for person, count in people.items()
            if count > 1
        )

    def picture(self, shard: str) -> Iterator[Finding]:
        """One picture of the shard opens, is called after its row and has its chunk's size."""
        with pq.ParquetFile(self.whole.root / shard) as file:
            group = self.whole.number(shard, file.num_row_groups)
            table = file.read_row_group(group, columns=["image", "image_id"])
        row = self.whole.number(f"{shard}/{group}", table.num_rows)
        image_id = table["image_id"][row].as_py()
        encoded = table["image"][row].as_py()
        if Path(encoded["path"]).stem != image_id and encoded["path"] != image_id:
            yield _damaged(shard, f"the picture of {image_id} is called {encoded['path']}")
        try:
            with Image.open(io.BytesIO(encoded["bytes"])) as opened:
                opened.load()
                found = np.array(opened.convert("RGB")).shape[:2]
        except (OSError, ValueError, SyntaxError) as error:
            yield _damaged(shard, f"the picture of {image_id} does not open ({error})")
            return
        if self.images.entered == self.sources and found not in self.images.sizes:
            what = f"is {found[0]} x {found[1]} pixels, as no picture of the chunks is"
            yield _damaged(shard, f"the picture of {image_id} {what}")


def _compare(name: str, said: dict, asked: dict) -> Iterator[Finding]:
    """Differences of a list of files from the manifest."""
    for file in sorted({*said, *asked}):
        if said.get(file) != asked.get(file):
            yield _damaged(name, f"says of {file} something else than the manifest")


def _damaged(name: str, what: str) -> Finding:
    file = name if name.startswith(f"{_DATASET}/") else f"{_DATASET}/{name}"
    return Finding(Kind.DAMAGED, _DATASET, file, what)
