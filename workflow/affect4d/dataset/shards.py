"""Parquet shards with embedded images, as Hugging Face's `datasets` reads them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affect4d import store
from affect4d.artifacts.dataset import SPLITS
from affect4d.artifacts.declaration import Column
from affect4d.dataset.columns import features, schema
from affect4d.formats.images import encode_jpeg, encode_png

ROW_GROUP = 100  # rows; a viewer that shows a few images reads no more than this many


def encoder(image_format: str, quality: int) -> tuple[str, Callable[[np.ndarray], bytes]]:
    """The file suffix and the encoder of images (H, W, 3) uint8."""
    if image_format == "png":
        return ".png", encode_png
    return ".jpg", lambda image: encode_jpeg(image, quality)


def write_shards(
    folder: Path,
    rows: pd.DataFrame,
    columns: list[Column],
    shard_rows: int,
    image_format: str,
    quality: int,
) -> dict[str, list[str]]:
    """Write `{split}-00000-of-0000N.parquet` for every split that has rows.

    Parameters
    ----------
    folder : where the shards go; made if absent
    rows : the dataset's rows with their `split`, and `store`, `array`, `index`
    columns : what is written, in this order
    shard_rows : the largest number of rows a shard
    image_format : "jpeg" or "png"
    quality : of JPEG

    Returns
    -------
    dict of lists of str
        The names of the shards of each split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, list[str]] = {}
    for split in SPLITS:
        mine = rows[rows["split"] == split]
        starts = range(0, len(mine), shard_rows)
        for number, start in enumerate(starts):
            name = f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            shard = mine.iloc[start : start + shard_rows]
            _write(folder / name, shard, columns, *encoder(image_format, quality))
            written.setdefault(split, []).append(name)
    return written


def _write(
    path: Path,
    rows: pd.DataFrame,
    columns: list[Column],
    suffix: str,
    encode: Callable[[np.ndarray], bytes],
) -> None:
    metadata = {"huggingface": json.dumps({"info": {"features": features(columns)}})}
    table_schema = schema(columns).with_metadata(metadata)
    labels = [column.name for column in columns if column.type != "image"]
    compression = dict.fromkeys(labels, "ZSTD")
    # Images are compressed already.
    compression |= {"image.bytes": "NONE", "image.path": "ZSTD"}
    with pq.ParquetWriter(
        path, table_schema, compression=compression, use_dictionary=labels
    ) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            group = rows.iloc[start : start + ROW_GROUP]
            images = [
                {"bytes": encode(image), "path": image_id + suffix}
                for image, image_id in zip(_pixels(group), group["image_id"], strict=True)
            ]
            content = {"image": images, **group[labels].to_dict("series")}
            arrays = [
                pa.array(content[field.name], field.type, from_pandas=True)
                for field in table_schema
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=table_schema))


def _pixels(rows: pd.DataFrame) -> list[np.ndarray]:
    """The images of the rows, each store and array read once."""
    found: dict[int, np.ndarray] = {}
    for (path, array), group in rows.groupby(["store", "array"], sort=False):
        images = store.open(path)[array][group["index"].to_list()]
        found |= dict(zip(group.index, images, strict=True))
    return [found[index] for index in rows.index]
