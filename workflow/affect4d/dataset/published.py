"""A published dataset, read from its folder alone: labels, images, who is in it."""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from affect4d import store
from affect4d.artifacts.dataset import CHECKSUMS
from affect4d.dataset.label_shards import read_labels
from affect4d.store import StoreError
from affect4d.store.regular import read_regular
from affect4d.system_files import find_files

_ANEW = "publish the dataset anew, or copy it again"


@dataclass(frozen=True)
class Published:
    """The dataset in a folder.

    Attributes
    ----------
    folder : with `data/*.parquet`

    Raises
    ------
    StoreError
        It has no shard, or one that is not what `SHA256SUMS` states.
    """

    folder: Path

    @cached_property
    def shards(self) -> list[Path]:
        """The Parquet shards, each compared with its checksum."""
        shards = self._checked("data")
        if not shards:
            remedy = "name a results folder, or a dataset's folder"
            raise StoreError(self.folder, "holds no shard of a dataset", remedy)
        return shards

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The columns of all rows but `image`, with `shard`; sorted as the dataset's rows are."""
        names = [name for name in pq.read_schema(self.shards[0]).names if name != "image"]
        tables = [pd.read_parquet(path, columns=names).assign(shard=path) for path in self.shards]
        table = pd.concat(tables, ignore_index=True)
        return table.sort_values(["database", "image_id"], ignore_index=True)

    @cached_property
    def classes(self) -> list[str]:
        """The names that the column `class` counts."""
        metadata = pq.read_schema(self.shards[0]).metadata[b"huggingface"]
        return list(json.loads(metadata)["info"]["features"]["class"]["names"])

    def encoded(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """The images of some of the rows as the column `image` holds them."""
        images: dict[str, dict[str, Any]] = {}
        for path, part in rows.groupby("shard", sort=False):
            filters = [("image_id", "in", part["image_id"].to_list())]
            table = pq.read_table(path, columns=["image_id", "image"], filters=filters)
            images |= zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
        return [images[image_id] for image_id in rows["image_id"]]

    def labels(self, rows: pd.DataFrame) -> dict[str, NDArray[Any]]:
        """The exact labels of some of the rows."""
        return read_labels(self._label_folder, rows["image_id"].to_list())

    @cached_property
    def _label_folder(self) -> Path:
        self._checked("labels")
        return self.folder / "labels"

    def _checked(self, folder: str) -> list[Path]:
        """The Parquet files in one of the dataset's folders, which are what was written."""
        paths = list(find_files(self.folder / folder, "*.parquet"))
        sums = self.folder / Path(CHECKSUMS.name()).name
        try:
            lines = read_regular(sums).decode().splitlines() if paths else []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(sums, f"cannot be read ({error})", _ANEW) from None
        stated = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
        for path in paths:
            if store.digest(path) != stated.get(f"{folder}/{path.name}"):
                raise StoreError(path, f"is not what {sums.name} states", _ANEW)
        return paths

    def digests(self, database: str, subject: str) -> set[str]:
        """The sha256 of each encoded image of a person."""
        same = (self.rows["database"] == database) & (self.rows["subject"] == subject)
        images = self.encoded(self.rows[same])
        return {hashlib.sha256(image["bytes"]).hexdigest() for image in images}

    def read(self, rows: pd.DataFrame) -> list[NDArray[np.uint8]]:
        """The images (H, W, 3) of some of the rows."""
        contents = (image["bytes"] for image in self.encoded(rows))
        return [np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in contents]
