"""Rows of two published datasets compared: which images came, went, or changed label or pixels.

Shards are read one row group at a time; of every image eight bytes are held for the picture and
eight for each label, so that a million images take about 300 MB.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from affect4d.store import Manifest, StoreError

_KEY, _IMAGE = "image_id", "image"
_EXAMPLES = 3  # image_ids shown of each difference


@dataclass(frozen=True)
class DatasetDifference:
    """How two datasets differ.

    Attributes
    ----------
    old, new : numbers of rows
    added, removed : rows on one side only
    changed : column -> rows in which it differs; `image` is the encoded picture
    columns_added, columns_removed : columns on one side only
    examples : added, removed or a column -> a few image_ids, with old and new value of a label
    """

    old: int
    new: int
    added: int
    removed: int
    changed: dict[str, int]
    columns_added: list[str]
    columns_removed: list[str]
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The comparison as text."""
        counts = f"{self.added} rows added, {self.removed} removed"
        lines = [f"dataset: {self.old} -> {self.new} rows; {counts}"]
        for title, names in (("added", self.columns_added), ("removed", self.columns_removed)):
            if names:
                lines.append(f"  columns {title}: {', '.join(names)}")
        lines += [f"  {name} differs in {count} rows" for name, count in self.changed.items()]
        for title, shown in self.examples.items():
            lines += [f"  for example, {title}: {_shown(example)}" for example in shown]
        return lines

    def record(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return asdict(self)


def compare_datasets(old: Manifest, new: Manifest) -> DatasetDifference:
    """Compare the rows of two published datasets by their image_id.

    Parameters
    ----------
    old, new : the manifests of two datasets; shards with the same digest are not read

    Raises
    ------
    StoreError
        A shard is missing or cannot be read.
    """
    shared = {file.sha256 for file in old.files} & {file.sha256 for file in new.files}
    shards = [_shards(manifest) for manifest in (old, new)]
    read = [[path for path, sha in side if sha not in shared] for side in shards]
    before, after = (_fingerprints(paths) for paths in read)
    both = before.index.intersection(after.index)
    differ = {
        name: both[before.loc[both, name].to_numpy() != after.loc[both, name].to_numpy()]
        for name in before.columns.intersection(after.columns)
    }
    differ = {name: ids for name, ids in differ.items() if len(ids)}
    one_sided = {
        "added": after.index.difference(before.index),
        "removed": before.index.difference(after.index),
    }
    columns = [_columns(side) for side in shards]
    return DatasetDifference(
        old=_count(shards[0]),
        new=_count(shards[1]),
        added=len(one_sided["added"]),
        removed=len(one_sided["removed"]),
        changed={name: len(ids) for name, ids in differ.items()},
        columns_added=sorted(columns[1] - columns[0]),
        columns_removed=sorted(columns[0] - columns[1]),
        examples={
            name: [{_KEY: i} for i in ids[:_EXAMPLES]]
            for name, ids in one_sided.items()
            if len(ids)
        }
        | {name: _examples(name, list(ids[:_EXAMPLES]), read) for name, ids in differ.items()},
    )


def _shards(manifest: Manifest) -> list[tuple[Path, str]]:
    """The Parquet files of a dataset and their sha256."""
    shards = [
        (manifest.locate(file), file.sha256)
        for file in manifest.files
        if file.path.endswith(".parquet")
    ]
    for path, _ in shards:
        if not path.is_file():
            raise StoreError(path, "is missing", "bring the dataset back beside its manifest")
    return shards


def _count(shards: list[tuple[Path, str]]) -> int:
    return sum(pq.read_metadata(path).num_rows for path, _ in shards)


def _columns(shards: list[tuple[Path, str]]) -> set[str]:
    return {name for path, _ in shards for name in pq.read_schema(path).names}


def _fingerprints(paths: list[Path]) -> pd.DataFrame:
    """Eight bytes for each value, one row per image_id."""
    bar = tqdm(paths, "shards", unit="shard", mininterval=1, leave=False)
    parts = [part for path in bar for part in _read(path)]
    if not parts:
        return pd.DataFrame(index=pd.Index([], name=_KEY, dtype=str))
    return pd.concat(parts)


def _read(path: Path) -> Iterator[pd.DataFrame]:
    """The fingerprints of each row group of a shard."""
    try:
        with pq.ParquetFile(path) as shard:
            for number in range(shard.num_row_groups):
                table = shard.read_row_group(number)
                values = {
                    name: _pictures(table[name]) if name == _IMAGE else _labels(table[name])
                    for name in table.column_names
                    if name != _KEY
                }
                yield pd.DataFrame(values, index=pd.Index(table[_KEY].to_pylist(), name=_KEY))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StoreError(path, f"cannot be read ({error})", "run `affect4d audit`") from error


def _pictures(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    digests = (
        hashlib.blake2b(image["bytes"].as_buffer(), digest_size=8).digest()
        for chunk in column.chunks
        for image in chunk
    )
    return np.frombuffer(b"".join(digests), np.uint64)


def _labels(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    hashes: NDArray[np.uint64] = pd.util.hash_array(column.to_pandas().to_numpy(), categorize=False)
    return hashes


def _examples(name: str, ids: list[str], sides: list[list[Path]]) -> list[dict[str, Any]]:
    """Old and new value of a label in a few rows; of a picture the image_id only."""
    if name == _IMAGE:
        return [{_KEY: image_id} for image_id in ids]
    values = []
    for paths in sides:
        rows = ds.dataset(paths).to_table([_KEY, name], filter=ds.field(_KEY).isin(ids))
        values.append(dict(zip(rows[_KEY].to_pylist(), rows[name].to_pylist(), strict=True)))
    return [{_KEY: i, "old": values[0][i], "new": values[1][i]} for i in ids]


def _shown(example: dict[str, Any]) -> str:
    values = f" {example['old']} -> {example['new']}" if "old" in example else ""
    return f"{example[_KEY]}{values}"
