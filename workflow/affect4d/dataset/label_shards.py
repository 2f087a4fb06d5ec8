"""Shards of exact labels: a row per image, each label as a list of fixed length.

Plain NumPy reads them: the schema's metadata state the shape of each label and the units' names.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affect4d.artifacts.dataset import ACTION_UNITS
from affect4d.store import StoreError

Labels = Callable[[pd.DataFrame], dict[str, NDArray[Any]]]  # of some rows, an array (N, ...) each
KEY = "image_id"
SHAPES = b"affect4d"  # key of the metadata
ROW_GROUP = 10  # rows: a map of 256 x 256 pixels takes a quarter of a megabyte


def write_labels(folder: Path, shards: Iterable[tuple[str, pd.DataFrame]], labels: Labels) -> None:
    """Write a shard of labels for each of the dataset's.

    Parameters
    ----------
    folder : made for them
    shards : name and rows of each
    labels : gives the labels of some of the rows
    """
    folder.mkdir()
    for name, rows in shards:
        writer = None
        for start in range(0, len(rows), ROW_GROUP):
            group = rows.iloc[start : start + ROW_GROUP]
            arrays = labels(group)
            if writer is None:
                writer = pq.ParquetWriter(folder / name, _schema(arrays), compression="ZSTD")
            columns = [pa.array(group[KEY], pa.string()), *map(_as_lists, arrays.values())]
            writer.write_table(pa.Table.from_arrays(columns, schema=writer.schema))
        if writer is not None:
            writer.close()


def read_labels(folder: Path, image_ids: list[str]) -> dict[str, NDArray[Any]]:
    """The labels of images, an array (N, ...) each, in the order of the names.

    Raises
    ------
    StoreError
        An image has none.
    """
    table = pq.read_table(folder, filters=[(KEY, "in", image_ids)]).combine_chunks()
    order = pd.Index(table[KEY].to_pylist()).get_indexer(image_ids)
    if (order < 0).any():
        what = f"have none of {image_ids[int(order.argmin())]}"
        raise StoreError(folder, what, "publish the dataset anew")
    shapes = json.loads(pq.read_schema(next(folder.glob("*.parquet"))).metadata[SHAPES])["shapes"]
    return {
        name: table[name].combine_chunks().flatten().to_numpy().reshape(-1, *shape)[order]
        for name, shape in shapes.items()
    }


def _as_lists(array: NDArray[Any]) -> pa.Array:
    length = int(np.prod(array.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), length)


def _schema(arrays: dict[str, NDArray[Any]]) -> pa.Schema:
    """Fields and what Hugging Face's `datasets` and the reader of shapes need to know of them."""
    fields = [pa.field(KEY, pa.string())]
    features: dict[str, Any] = {KEY: {"dtype": "string", "_type": "Value"}}
    for name, array in arrays.items():
        lists = _as_lists(array)
        fields.append(pa.field(name, lists.type))
        value = {"dtype": array.dtype.name, "_type": "Value"}
        features[name] = {"feature": value, "length": lists.type.list_size, "_type": "List"}
    shapes = {name: list(array.shape[1:]) for name, array in arrays.items()}
    described = {"shapes": shapes, "action_units": list(ACTION_UNITS)}
    metadata = {"huggingface": {"info": {"features": features}}, SHAPES: described}
    return pa.schema(fields, {key: json.dumps(value) for key, value in metadata.items()})
