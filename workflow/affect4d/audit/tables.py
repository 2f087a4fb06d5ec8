"""Tables against their schemas, a batch of rows at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from affect4d.artifacts.declaration import Column, Table
from affect4d.artifacts.registry import find_table
from affect4d.audit.verdict import Finding, Kind, guarded
from affect4d.audit.whole import Whole

_BATCH_ROWS = 2**16
_CSV_TYPES = {"any": "string"}


def check(whole: Whole) -> Iterator[Finding]:
    """Names and types of columns, missing values, ranges, keys and references of every table."""
    keys = _Keys(whole)
    for path in whole.chosen(whole.tables):
        artifact, schema = whole.tables[path], find_table(path)
        if schema is None:
            what, remedy = "no schema is known for this table", "declare it in affect4d/artifacts"
            yield Finding(Kind.OPEN, artifact, path, what, remedy)
            continue
        yield from guarded(artifact, path, _check, _Checked(whole, path, schema, keys), artifact)


def _check(checked: "_Checked", artifact: str) -> Iterator[Finding]:
    for what in checked.look():
        yield Finding(Kind.DAMAGED, artifact, checked.path, what)


def batches(path: Path, names: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, or all but the images, so many rows at a time."""
    with pq.ParquetFile(path) as file:
        if names is None:
            names = [f.name for f in file.schema_arrow if not pa.types.is_struct(f.type)]
        yield from file.iter_batches(_BATCH_ROWS, columns=names)


def table_names(path: Path) -> list[str]:
    """The columns of a Parquet or CSV file."""
    if path.suffix == ".parquet":
        return pq.read_schema(path).names
    with pa.csv.open_csv(path) as reader:
        return reader.schema.names


def hashes(values: pa.Array | list | np.ndarray) -> np.ndarray:
    """Eight bytes that stand for each value (n,) uint64: equal where the values are."""
    if isinstance(values, pa.Array):
        values = values.to_numpy(zero_copy_only=False)
    elif isinstance(values, list):
        values = np.array(values, object)
    return pd.util.hash_array(values, categorize=False)


class _Keys:
    """The columns of other tables to which columns refer, each as its sorted hashes."""

    def __init__(self, whole: Whole):
        self._whole = whole
        self._found: dict[str, np.ndarray] = {}

    def __call__(self, reference: str) -> np.ndarray | None:
        """The values of "TABLE:COLUMN"; None where that table is missing or broken."""
        path, name = reference.split(":")
        if path not in self._whole.tables:
            return None
        if reference not in self._found:
            parts = [hashes(batch[name]) for batch in batches(self._whole.root / path, [name])]
            self._found[reference] = np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))
        return self._found[reference]


@dataclass
class _Fault:
    """What breaks one rule in one column: how many rows, and the first of them."""

    rows: int
    first: int
    value: object


@dataclass
class _Checked:
    """One table on its way."""

    whole: Whole
    path: str
    schema: Table
    keys: _Keys
    faults: dict[tuple[str, str], _Fault] = field(default_factory=dict)
    seen: list[np.ndarray] = field(default_factory=list)

    def look(self) -> Iterator[str]:
        """Everything that is wrong with the table, in words."""
        found = table_names(self._file)
        wrong = list(self._check_names(found))
        yield from wrong
        if wrong:
            return
        rows = 0
        for batch in self._batches():
            for name in batch.schema.names:
                column = self.schema.column(name)
                if column:
                    self._check_values(name, column, batch[name], rows)
            if self.schema.key:
                self.seen.append(hashes(batch[self.schema.key]))
            rows += batch.num_rows
        for (name, rule), fault in self.faults.items():
            yield (
                f"column {name}: {rule} in {fault.rows} of {rows} rows, first in row "
                f"{fault.first} ({fault.value!r})"
            )
        yield from self._check_key()

    @property
    def _file(self) -> Path:
        return self.whole.root / self.path

    def _check_names(self, found: list[str]) -> Iterator[str]:
        for name, count in Counter(found).items():
            if count > 1:
                yield f"column {name} is there {count} times"
            if self.schema.column(name) is None:
                yield f"column {name} is not in its schema"
        for name in self.schema.names:
            if name not in found:
                yield f"column {name} is missing"
        if self.path.endswith(".parquet"):
            for part in pq.read_schema(self._file):
                column = self.schema.column(part.name)
                if column and not _is_of_type(part.type, column):
                    yield f"column {part.name} is of type {part.type} in place of {column.type}"

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self.path.endswith(".parquet"):
            yield from batches(self._file)
            return
        types = {
            name: pa.type_for_alias(_CSV_TYPES.get(column.type, column.type))
            for name in table_names(self._file)
            if (column := self.schema.column(name))
        }
        options = pa.csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True
        )
        parsing = pa.csv.ParseOptions(newlines_in_values=True)
        with pa.csv.open_csv(self._file, parse_options=parsing, convert_options=options) as reader:
            yield from reader

    def _check_values(self, name: str, column: Column, values: pa.Array, row: int) -> None:
        missing = pc.is_null(values, nan_is_null=True)
        if not column.null:
            self._note(name, "a value is missing", missing, values, row)
        if (low := column.minimum) is not None:
            self._note(name, f"a value is below {low}", pc.less(values, low), values, row)
        if (high := column.maximum) is not None:
            self._note(name, f"a value is above {high}", pc.greater(values, high), values, row)
        if column.values:
            strange = pc.invert(pc.is_in(values, pa.array(column.values, values.type)))
            rule = f"a value is none of {', '.join(column.values)}"
            self._note(name, rule, pc.and_(strange, pc.invert(missing)), values, row)
        if column.listed:
            owners = self.whole.build.owners
            unlisted = [value not in owners for value in values.to_pylist()]
            self._note(name, "a file is named that no manifest lists", unlisted, values, row)
        if column.references and (known := self.keys(column.references)) is not None:
            unknown = ~np.isin(hashes(values), known)
            self._note(name, f"a value is not in {column.references}", unknown, values, row)

    def _note(self, name: str, rule: str, wrong: object, values: pa.Array, row: int) -> None:
        places = np.flatnonzero(np.asarray(pc.fill_null(pa.array(wrong), False)))
        if len(places):
            first = _Fault(0, row + int(places[0]), values[int(places[0])].as_py())
            self.faults.setdefault((name, rule), first).rows += len(places)

    def _check_key(self) -> Iterator[str]:
        """Keys that are there twice; of each row eight bytes are kept for it."""
        if not self.seen:
            return
        every, counts = np.unique(np.concatenate(self.seen), return_counts=True)
        twice = every[counts > 1]
        if not len(twice):
            return
        found: Counter = Counter()
        for batch in self._batches():
            values = batch[self.schema.key]
            found.update(values.filter(pa.array(np.isin(hashes(values), twice))).to_pylist())
        again = [value for value, count in found.items() if count > 1]
        if again:
            what = f"{len(again)} values are there twice, such as {again[0]!r}"
            yield f"column {self.schema.key}: {what}"


def _is_of_type(found: pa.DataType, column: Column) -> bool:
    if column.type == "any" or (column.null and pa.types.is_null(found)):
        return True
    if column.type == "image":
        return found == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if column.type == "string":
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    return found == pa.type_for_alias(column.type)
