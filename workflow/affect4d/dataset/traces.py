"""What is left of a person in a folder: names in files, rows of tables, bytes of images."""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from os.path import commonprefix
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affect4d.neutrals.withdrawn import Person
from affect4d.store.build_root import walk_build

_ROWS = 1000  # of a table that are looked at together


@dataclass(frozen=True)
class Traces:
    """How a person is recognised.

    Attributes
    ----------
    person : who
    names : of their photographs, which the names of their images begin with; other texts that
        stand for the person alone
    digests : sha256 of files and of encoded images
    """

    person: Person
    names: frozenset[str]
    digests: frozenset[str] = field(default=frozenset())

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        # before a photograph's name stands the database's or nothing of a longer name; after it the
        # class of an image of it or nothing
        before = rf"(?<![A-Za-z0-9.+_-])(?:{re.escape(self.person.database)}-)?"
        each = _any_of(sorted(self.names, reverse=True))
        return re.compile(rf"{before}{each}(?=-v[+-]|[^A-Za-z0-9+_-]|\Z)".encode())

    @cached_property
    def _beginnings(self) -> list[bytes]:
        """One of these is in whatever holds a name: bytes are searched for them much faster."""
        groups = groupby(sorted(self.names), key=lambda name: name[:1])
        return [_common_beginning([*group]).encode() for _, group in groups]

    def find(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """Each file below a folder in which there is something, and what; no image is decoded.

        The arrays of stores are passed over: the names in a store say whose they are.
        """
        for parent, folders, files in walk_build(folder):
            if ".zarr" in parent:
                folders[:] = [name for name in folders if name != "c"]
            for path in (Path(parent, name) for name in sorted(files)):
                if what := self._find_in(path):
                    yield path, what

    def _find_in(self, path: Path) -> str | None:
        if self.is_named(path.name):
            return "its name"
        content = path.read_bytes()
        if sha256(content).hexdigest() in self.digests:
            return "an image"
        if self._is_in(content):
            return "a name"
        if path.suffix == ".parquet":
            return next(filter(None, map(self._find_in_table, _batches(content))), None)
        if path.suffix == ".tar":
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                files = (archive.extractfile(entry) for entry in archive)
                if any(file and sha256(file.read()).hexdigest() in self.digests for file in files):
                    return "an image"
        if path.suffix == ".csv":
            table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
            return self._find_in_table(table)
        return None

    def is_named(self, text: str) -> bool:
        """Whether a text holds the name of one of the person's photographs, or of an image."""
        return self._is_in(text.encode())

    def _is_in(self, content: bytes) -> bool:
        found = any(each in content for each in self._beginnings)
        return found and self._pattern.search(content) is not None

    def _find_in_table(self, table: pd.DataFrame) -> str | None:
        if {"database", "subject"} <= {*table}:
            same = table["database"].astype(str) == self.person.database
            if (same & (table["subject"].astype(str) == self.person.subject)).any():
                return "a row"
        for name in table:
            values = table[name].dropna()
            if len(values) and isinstance(values.iloc[0], dict):  # images
                contents = (value["bytes"] for value in values)
                if any(sha256(each).hexdigest() in self.digests for each in contents):
                    return "an image"
                values = pd.Series([value["path"] for value in values])
            if values.dtype == object or pd.api.types.is_string_dtype(values):
                texts: Iterable[object] = values.unique()
                if any(self.is_named(str(text)) for text in texts):
                    return "a name"
        return None


def _any_of(texts: Sequence[str]) -> str:
    """A pattern of any of some sorted texts, as a tree: its time does not grow with their number.

    Longer texts have to stand before their beginnings.
    """
    same = _common_beginning(texts)
    if len(texts) == 1:
        return re.escape(same)
    groups = groupby((text.removeprefix(same) for text in texts), key=lambda text: text[:1])
    return f"{re.escape(same)}(?:{'|'.join(_any_of([*group]) for _, group in groups)})"


def _common_beginning(texts: Sequence[str]) -> str:
    return commonprefix(texts)  # noqa: RUF071, characters are compared, and no parts of paths


def _batches(content: bytes) -> Iterator[pd.DataFrame]:
    for batch in pq.ParquetFile(io.BytesIO(content)).iter_batches(_ROWS):
        yield pa.Table.from_batches([batch]).to_pandas()
