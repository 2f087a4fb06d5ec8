"""Parquet shards with embedded images, as Hugging Face's `datasets` reads them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.dataset import SPLITS
from affect4d.artifacts.declaration import Column
from affect4d.config.dataset import Settings
from affect4d.dataset.columns import arrow_schema, hugging_face_features
from affect4d.formats.images import encode_jpeg, encode_png

# Gives the images of rows as the column `image` holds them: bytes, and path, which is a file name.
Encoded = Callable[[pd.DataFrame], list[dict[str, Any]]]
ROW_GROUP = 100  # rows; a viewer that shows a few images reads no more than this many


def image_encoder(settings: Settings) -> tuple[str, Callable[[NDArray[np.uint8]], bytes]]:
    """The file suffix and the encoder of images (H, W, 3)."""
    if settings.image_format == "png":
        return ".png", encode_png
    return ".jpg", lambda image: encode_jpeg(image, settings.jpeg_quality)


def encode_pixels(
    rows: pd.DataFrame, stores: Mapping[str, store.Store], settings: Settings
) -> list[dict[str, Any]]:
    """The rows' images as the column `image` holds them, from the open stores that they name."""
    suffix, encode = image_encoder(settings)
    pixels = read_pixels(rows, stores)
    return [
        {"bytes": encode(image), "path": image_id + suffix}
        for image, image_id in zip(pixels, rows["image_id"], strict=True)
    ]


def write_shards(
    folder: Path,
    rows: pd.DataFrame,
    columns: list[Column],
    *,
    encoded: Encoded,
    shard_rows: int,
    classes: Sequence[str],
) -> dict[str, list[str]]:
    """Write `{split}-00000-of-0000N.parquet` for every split that has rows.

    Parameters
    ----------
    folder : where the shards go; made if absent
    rows : the dataset's rows with their `split`
    columns : what is written, in this order
    encoded : gives the images of some of the rows
    shard_rows : most rows per shard
    classes : names that the column `class` counts

    Returns
    -------
    dict of lists of str
        The names of the shards of each split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    features = hugging_face_features(columns, classes)
    written: dict[str, list[str]] = {}
    for name, shard in divide(rows, shard_rows):
        _write_shard(folder / name, shard, columns, encoded=encoded, features=features)
        written.setdefault(shard["split"].iloc[0], []).append(name)
    return written


def divide(rows: pd.DataFrame, shard_rows: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """The name and the rows of each shard, split by split."""
    for split, parts in divide_people(rows, shard_rows):
        shards = [
            part.iloc[start : start + shard_rows]
            for part in parts
            for start in range(0, len(part), shard_rows)
        ]
        for number, shard in enumerate(shards):
            yield f"{split}-{number:05d}-of-{len(shards):05d}.parquet", shard


def divide_people(rows: pd.DataFrame, shard_rows: int) -> Iterator[tuple[str, list[pd.DataFrame]]]:
    """The rows of each split in parts, which hold all rows of a person each.

    A split is halved by a bit of the hashes of its people's names, and the halves by the next one,
    until none has more than `shard_rows` rows or it is one person's. So whoever comes or goes
    changes one part, and the others keep their bytes.
    """
    people = rows["database"] + "/" + rows["subject"]
    hashes = people.map({name: sha256(name.encode()).digest() for name in people.unique()})
    for split in SPLITS:
        yield split, list(_halves(rows, hashes[rows["split"] == split], shard_rows, bit=0))


def _halves(
    rows: pd.DataFrame, hashes: "pd.Series[Any]", shard_rows: int, *, bit: int
) -> Iterator[pd.DataFrame]:
    if len(hashes) and (len(hashes) <= shard_rows or hashes.nunique() == 1):
        yield rows.loc[hashes.index]
    elif len(hashes):
        upper = hashes.map(lambda digest: bool(digest[bit // 8] & (128 >> bit % 8)))
        for half in (hashes[~upper], hashes[upper]):
            yield from _halves(rows, half, shard_rows, bit=bit + 1)


def _write_shard(
    path: Path,
    rows: pd.DataFrame,
    columns: list[Column],
    *,
    encoded: Encoded,
    features: Mapping[str, Any],
) -> None:
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table_schema = arrow_schema(columns).with_metadata(metadata)
    labels = [column.name for column in columns if column.type != "image"]
    compression = dict.fromkeys(labels, "ZSTD")
    # Images are compressed already.
    compression |= {"image.bytes": "NONE", "image.path": "ZSTD"}
    with pq.ParquetWriter(
        path, table_schema, compression=compression, use_dictionary=labels
    ) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            group = rows.iloc[start : start + ROW_GROUP]
            content = {"image": encoded(group), **group[labels].to_dict("series")}
            arrays = [
                pa.array(content[field.name], field.type, from_pandas=True)
                for field in table_schema
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=table_schema))


def read_pixels(rows: pd.DataFrame, stores: Mapping[str, store.Store]) -> list[NDArray[np.uint8]]:
    """The images (H, W, 3) of the rows, each array read once."""
    pixels: dict[int, NDArray[np.uint8]] = {}
    for (path, array), group in rows.groupby(["store", "array"], sort=False):
        images = stores[path][array][group["index"].to_list()]
        pixels |= dict(zip(group.index, images, strict=True))
    return [pixels[index] for index in rows.index]
