"""The pictures of the dataset: every one is what its chunk holds, encoded as the settings say."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from affect4d.artifacts.dataset import DATASET
from affect4d.audit.images import Images
from affect4d.audit.verdict import Finding, damaged, shortened
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.config.dataset import Settings
from affect4d.dataset.shards import image_encoder
from affect4d.formats.images import decode_image
from affect4d.quarantine import BadInput
from affect4d.store.commit import versions
from affect4d.store.manifest import SUFFIX

_DATASET = DATASET.name()
_ENCODER = "opencv-python-headless"  # other versions of it may encode the same pixels otherwise


class PublishedPictures:
    """The pictures of all shards, a row group in memory at a time.

    Parameters
    ----------
    build : what may be compared
    images : the chunks, all checked
    chunks : those from which the dataset was built, where all are valid; else none
    settings : how it was published; None where that is not stated
    """

    def __init__(
        self,
        build: VerifiedBuild,
        images: Images,
        chunks: list[str],
        *,
        settings: Settings | None,
    ) -> None:
        self._build, self._images, self._chunks = build, images, chunks
        self._settings = settings

    def check(self, shard: str) -> Iterator[Finding]:
        """Compare every picture of a shard with its chunk; decode one of them.

        Where the encoder is of another version than the one that published, none is compared.
        """
        with pq.ParquetFile(self._build.root / shard) as file:
            opened = self._build.number(shard, file.num_row_groups)
            for group in range(file.num_row_groups):
                if group != opened and self._places is None:
                    continue
                table = file.read_row_group(group, columns=["image", "image_id"])
                rows: list[dict[str, Any]] = table.to_pylist()
                if group == opened:
                    row = rows[self._build.number(f"{shard}/{group}", len(rows))]
                    yield from self._check_decoded(shard, row["image_id"], row["image"])
                if self._places is not None:
                    yield from shortened(self._compare(shard, rows))

    @cached_property
    def _places(self) -> pd.DataFrame | None:
        """Chunk, array and index of the pixels of each image; None where they do not count."""
        stated = self._build.build.manifests[_DATASET + SUFFIX].versions
        if self._settings is None or stated.get(_ENCODER) != versions().get(_ENCODER):
            return None
        parts = [
            self._images.rows(chunk)[["image_id", "array", "index"]].assign(chunk=chunk)
            for chunk in self._chunks
        ]
        return pd.concat(parts).set_index("image_id") if parts else None

    def _compare(self, shard: str, rows: list[dict[str, Any]]) -> Iterator[Finding]:
        assert self._places is not None and self._settings is not None
        suffix, encode = image_encoder(self._settings)
        published = {row["image_id"]: row["image"] for row in rows}
        known = self._places[self._places.index.isin(list(published))]
        for (chunk, array), places in known.groupby(["chunk", "array"], sort=False):
            stored = self._build.open_if_valid(str(chunk))
            assert stored is not None
            pixels = stored[str(array)][places["index"].to_list()]
            for image_id, image in zip(places.index, pixels, strict=True):
                expected = {"bytes": encode(image), "path": image_id + suffix}
                if published[image_id] != expected:
                    yield damaged(_DATASET, shard, f"the image of {image_id} is not its chunk's")

    def _check_decoded(
        self, shard: str, image_id: str, encoded: dict[str, Any]
    ) -> Iterator[Finding]:
        """An image opens, is named after its row and has its chunk's size."""
        if Path(encoded["path"]).stem != image_id and encoded["path"] != image_id:
            what = f"the image of {image_id} is called {encoded['path']}"
            yield damaged(_DATASET, shard, what)
        try:
            size = decode_image(encoded["bytes"], image_id).shape[:2]
        except BadInput as problem:
            rule = problem.rule
            yield damaged(_DATASET, shard, f"the image of {image_id} does not open ({rule})")
            return
        if self._chunks and size not in self._images.sizes:
            what = f"is {size[0]} x {size[1]} pixels, as no image of the chunks is"
            yield damaged(_DATASET, shard, f"the image of {image_id} {what}")
