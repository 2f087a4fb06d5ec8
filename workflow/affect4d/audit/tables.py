"""Tables against their declarations, a batch of rows at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affect4d.artifacts.declaration import Column, Table
from affect4d.artifacts.registry import find_table
from affect4d.audit.verdict import Finding, Kind, damaged, guarded
from affect4d.audit.verified_build import VerifiedBuild

_BATCH_ROWS = 2**16  # some MB of each column
_CSV_TYPES = {"any": "string"}
_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def check_tables(build: VerifiedBuild) -> Iterator[Finding]:
    """Names and types of columns, missing values, ranges, keys and references of every table."""
    keys = _Keys(build)
    for path in build.chosen(build.tables):
        artifact, declared = build.tables[path], find_table(path)
        if declared is None:
            what, remedy = "no schema is known for this table", "declare it in affect4d/artifacts"
            yield Finding(Kind.UNRESOLVED, artifact, path, what, remedy)
            continue
        check = _TableCheck(build, path, declared, keys)
        yield from guarded(artifact, path, check.findings)


def batches(path: Path, names: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, or all but the images, in batches of rows."""
    with pq.ParquetFile(path) as file:
        if names is None:
            names = [f.name for f in file.schema_arrow if not pa.types.is_struct(f.type)]
        yield from file.iter_batches(_BATCH_ROWS, columns=names)


def table_names(path: Path) -> list[str]:
    """The columns of a Parquet or CSV file."""
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with pa.csv.open_csv(path) as reader:
        return list(reader.schema.names)


def hashes(values: Any) -> NDArray[np.uint64]:
    """Eight bytes (n,) per value of an Arrow array, an array or a list: equal where those are."""
    if isinstance(values, pa.Array):
        values = values.to_numpy(zero_copy_only=False)
    hashed: NDArray[np.uint64] = pd.util.hash_array(np.asarray(values, object), categorize=False)
    return hashed


class _Keys:
    """The columns of other tables to which columns refer, each as its sorted hashes."""

    def __init__(self, build: VerifiedBuild) -> None:
        self._build = build
        self._known: dict[str, NDArray[np.uint64]] = {}

    def __call__(self, reference: str) -> NDArray[np.uint64] | None:
        """The values of "TABLE:COLUMN"; None where that table is missing or damaged."""
        path, name = reference.split(":")
        if path not in self._build.tables:
            return None
        if reference not in self._known:
            parts = [hashes(batch[name]) for batch in batches(self._build.root / path, [name])]
            self._known[reference] = np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))
        return self._known[reference]


@dataclass
class _Fault:
    """What breaks one rule in one column: how many rows, and the first of them."""

    rows: int
    first: int
    value: object


@dataclass
class _TableCheck:
    """The check of one table."""

    build: VerifiedBuild
    path: str
    declared: Table
    keys: _Keys
    faults: dict[tuple[str, str], _Fault] = field(default_factory=dict)
    seen: list[NDArray[np.uint64]] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """All that is wrong with the table."""
        for what in self._messages():
            yield damaged(self.build.tables[self.path], self.path, what)

    def _messages(self) -> Iterator[str]:
        wrong = list(self._check_names(table_names(self._file)))
        yield from wrong
        if wrong:
            return
        rows = 0
        for batch in self._batches():
            for name in batch.schema.names:
                column = self.declared.column(name)
                if column:
                    self._check_values(name, column, values=batch[name], row=rows)
            if self.declared.key:
                self.seen.append(hashes(batch[self.declared.key]))
            rows += batch.num_rows
        for (name, rule), fault in self.faults.items():
            yield (
                f"column {name}: {rule} in {fault.rows} of {rows} rows, first in row "
                f"{fault.first} ({fault.value!r})"
            )
        yield from self._check_key()

    @property
    def _file(self) -> Path:
        return self.build.root / self.path

    def _check_names(self, names: list[str]) -> Iterator[str]:
        for name, count in Counter(names).items():
            if count > 1:
                yield f"column {name} occurs {count} times"
            if self.declared.column(name) is None:
                yield f"column {name} is not in its schema"
        for name in self.declared.names:
            if name not in names:
                yield f"column {name} is missing"
        if self.path.endswith(".parquet"):
            for part in pq.read_schema(self._file):
                column = self.declared.column(part.name)
                if column and not _is_of_type(part.type, column):
                    yield f"column {part.name} is of type {part.type} in place of {column.type}"

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self.path.endswith(".parquet"):
            yield from batches(self._file)
            return
        types = {
            name: pa.type_for_alias(_CSV_TYPES.get(column.type, column.type))
            for name in table_names(self._file)
            if (column := self.declared.column(name))
        }
        options = pa.csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True
        )
        parsing = pa.csv.ParseOptions(newlines_in_values=True)
        with pa.csv.open_csv(self._file, parse_options=parsing, convert_options=options) as reader:
            yield from reader

    def _check_values(self, name: str, column: Column, *, values: pa.Array, row: int) -> None:
        """Note every rule that `values`, the first of which is in `row`, break."""
        missing = pc.is_null(values, nan_is_null=True)
        broken: dict[str, Any] = {}
        if not column.null:
            broken["a value is missing"] = missing
        if column.minimum is not None:
            broken[f"a value is below {column.minimum:g}"] = pc.less(values, column.minimum)
        if column.maximum is not None:
            broken[f"a value is above {column.maximum:g}"] = pc.greater(values, column.maximum)
        if column.values:
            strange = pc.invert(pc.is_in(values, pa.array(column.values, values.type)))
            rule = f"a value is none of {', '.join(column.values)}"
            broken[rule] = pc.and_(strange, pc.invert(missing))
        if column.listed:
            owners = self.build.build.owners
            named = values.to_pylist()
            unlisted = [value is not None and value not in owners for value in named]
            broken["a file is named that no manifest lists"] = unlisted
        if column.references and (known := self.keys(column.references)) is not None:
            broken[f"a value is not in {column.references}"] = ~np.isin(hashes(values), known)
        for rule, wrong in broken.items():
            rows = np.flatnonzero(np.asarray(pc.fill_null(pa.array(wrong), False)))
            if len(rows):
                first = _Fault(0, row + int(rows[0]), values[int(rows[0])].as_py())
                self.faults.setdefault((name, rule), first).rows += len(rows)

    def _check_key(self) -> Iterator[str]:
        """Keys that occur twice; eight bytes per row are kept for it."""
        if not self.seen:
            return
        keys, counts = np.unique(np.concatenate(self.seen), return_counts=True)
        repeated = keys[counts > 1]
        if not len(repeated):
            return
        occurrences: Counter[object] = Counter()
        for batch in self._batches():
            values = batch[self.declared.key]
            candidates = values.filter(pa.array(np.isin(hashes(values), repeated)))
            occurrences.update(candidates.to_pylist())
        again = [value for value, count in occurrences.items() if count > 1]
        if again:
            what = f"{len(again)} values occur twice or more, such as {again[0]!r}"
            yield f"column {self.declared.key}: {what}"


def _is_of_type(stored: pa.DataType, column: Column) -> bool:
    if column.type == "any" or (column.null and pa.types.is_null(stored)):
        return True
    if column.type == "image":
        return bool(stored == _IMAGE_TYPE)
    if column.type == "string":
        return bool(pa.types.is_string(stored) or pa.types.is_large_string(stored))
    return bool(stored == pa.type_for_alias(column.type))
