"""What the declaration of an artifact consists of.

A build consists of artifacts. Each has one manifest, and files: tables, stores and others. Patterns
of names have fields in braces: `gallery/scans/{chunk}.csv` is one table per chunk, and
`.path(root, chunk="c0")` is the path of one of them. Only a field called `path` holds slashes.
"""

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST_SUFFIX = ".manifest.json"

_FIELD = re.compile(r"\{(\w+)\}")


@functools.cache
def _regex(pattern: str) -> re.Pattern[str]:
    """The expression that matches what a pattern names; a field that repeats has one value."""
    parts = _FIELD.split(pattern)
    seen: set[str] = set()
    for index in range(1, len(parts), 2):
        name = parts[index]
        values = ".+" if name == "path" else "[^/]+"
        parts[index] = f"(?P={name})" if name in seen else f"(?P<{name}>{values})"
        seen.add(name)
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts))


def match_pattern(pattern: str, name: str) -> dict[str, str] | None:
    """The fields' values where the pattern names `name`, else None."""
    matched = _regex(pattern).fullmatch(name)
    return None if matched is None else matched.groupdict()


def specificity(pattern: str) -> int:
    """How many characters of a pattern are fixed: of several that match, the largest counts."""
    return len(_FIELD.sub("", pattern))


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : may hold fields where there are several of one kind, such as `quality_{measure}`
    type : string, int64, float64, float32, bool, image (struct of bytes and path) or any
    description : one sentence
    unit : "" where it has none
    null : whether a value may be missing
    minimum, maximum : bounds of the values, where there are any
    values : all values that are allowed; any where it is empty
    references : "TABLE:COLUMN" among whose values these must be
    listed : whether each value is a file below the results folder that a manifest lists
    """

    name: str
    type: str
    description: str
    unit: str = field(default="", kw_only=True)
    null: bool = field(default=False, kw_only=True)
    minimum: float | None = field(default=None, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    values: tuple[str, ...] = field(default=(), kw_only=True)
    references: str = field(default="", kw_only=True)
    listed: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Array:
    """An array of a store.

    Attributes
    ----------
    name : may hold fields where there are several of one kind, such as `topology{number}_anchors`
    dtype : NumPy's name of it
    shape : lengths; a word names one length within the store (it may hold the name's fields)
    description : one sentence
    unit : "" where it has none
    codes : the meaning of the values 0, 1, ..., where they stand for words
    counts : the word of the length below which the values must lie: they are indices
    optional : whether a store may lack it
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    description: str
    unit: str = field(default="", kw_only=True)
    codes: tuple[str, ...] = field(default=(), kw_only=True)
    counts: str = field(default="", kw_only=True)
    optional: bool = field(default=False, kw_only=True)

    def dimensions(self, name: str) -> tuple[str | int, ...]:
        """The shape of the array of this name: lengths, and words for lengths within the store."""
        fields = match_pattern(self.name, name) or {}
        return tuple(d.format(**fields) if isinstance(d, str) else d for d in self.shape)


@dataclass(frozen=True)
class Attribute:
    """An attribute of a store.

    Attributes
    ----------
    name, description : what it is called and what it holds
    length : the word of its length, where it is a list beside arrays
    optional : whether a store may lack it
    """

    name: str
    description: str
    length: str = field(default="", kw_only=True)
    optional: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class File:
    """A file of an artifact, or several of one kind.

    Attributes
    ----------
    pattern : its path below the results folder
    description : one sentence
    optional : whether a build may lack it
    """

    pattern: str
    description: str
    optional: bool = field(default=False, kw_only=True)

    def name(self, **fields: str) -> str:
        """Its path below the results folder."""
        return self.pattern.format(**fields)

    def path(self, root: Path | str, **fields: str) -> Path:
        """Where it lies, given the results folder."""
        return Path(root) / self.name(**fields)

    def match(self, path: str) -> dict[str, str] | None:
        """The fields' values, where `path` below the results folder is such a file; else None."""
        return match_pattern(self.pattern, path)


@dataclass(frozen=True)
class Table(File):
    """A Parquet or CSV file.

    Attributes
    ----------
    columns : in the order in which they are written
    key : the column whose values occur once each; "" where there is none
    """

    columns: tuple[Column, ...]
    key: str = field(default="", kw_only=True)

    @property
    def names(self) -> list[str]:
        """The columns' names, in order, without those whose names hold fields."""
        return [column.name for column in self.columns if not _FIELD.search(column.name)]

    def column(self, name: str) -> Column | None:
        """The declaration of a column of this name."""
        matching = (c for c in self.columns if match_pattern(c.name, name) is not None)
        return max(matching, key=lambda column: specificity(column.name), default=None)


@dataclass(frozen=True)
class Store(File):
    """A Zarr group; its pattern ends in `.zarr` and its manifest lies beside it."""

    arrays: tuple[Array, ...]
    attributes: tuple[Attribute, ...] = ()

    def array(self, name: str) -> Array | None:
        """The declaration of an array of this name."""
        matching = (a for a in self.arrays if match_pattern(a.name, name) is not None)
        return max(matching, key=lambda array: specificity(array.name), default=None)

    def manifest(self, root: Path | str, **fields: str) -> Path:
        """Where its manifest lies, given the results folder."""
        return Path(root) / (self.name(**fields).removesuffix(".zarr") + MANIFEST_SUFFIX)


@dataclass(frozen=True)
class Artifact:
    """An artifact: what one manifest lists.

    Attributes
    ----------
    pattern : its name, which is the path of its manifest below the results folder without the
        suffix; of one without a manifest the path itself
    description : what it is, in a few words
    rules : the rules of the workflow that write it
    files : the tables, stores and other files that it consists of
    lists : pattern of the artifacts whose manifests it lists, where it is the record of a job
    optional : whether a build may lack it, as what a setting decides about
    has_manifest : False for what is written about a build and is not part of it
    """

    pattern: str
    description: str
    rules: tuple[str, ...] = field(kw_only=True)
    files: tuple[File, ...] = field(default=(), kw_only=True)
    lists: str = field(default="", kw_only=True)
    optional: bool = field(default=False, kw_only=True)
    has_manifest: bool = field(default=True, kw_only=True)

    def name(self, **fields: str) -> str:
        """The name of one such artifact."""
        return self.pattern.format(**fields)

    def manifest(self, root: Path | str, **fields: str) -> Path:
        """Where its manifest lies, given the results folder."""
        return Path(root) / (self.name(**fields) + MANIFEST_SUFFIX)

    def match(self, name: str) -> dict[str, str] | None:
        """The fields' values, where an artifact of this name is such a one; else None."""
        return match_pattern(self.pattern, name)


def store_of(manifest: Path | str) -> Path:
    """The store whose manifest lies at this path."""
    return Path(str(manifest).removesuffix(MANIFEST_SUFFIX) + ".zarr")


def quantised(name: str, shape: tuple[str | int, ...], description: str) -> tuple[Array, Array]:
    """Vertices that are stored quantised, beside the neutral mesh from which they are stored."""
    neutral = f"Neutral mesh from which {name.split('{')[0]} are stored as differences."
    return (
        Array(name, "float32", shape, description, unit="mm"),
        Array(f"{name}_neutral", "float32", shape[1:], neutral, unit="mm"),
    )
