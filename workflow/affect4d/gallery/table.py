"""What one job of the gallery takes, known when the workflow is parsed.

Every job of a cluster parses the workflow anew, so what is read here is read by column, and a
scan's file is looked at only where somebody asks for the digest of its chunk.
"""

import csv
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.gallery import Settings, subjects
from affect4d.formats.markup import MARKUP_FILES
from affect4d.quarantine import BadInput

FILE_COLUMNS = ("mesh", "texture", "landmarks")
OPTIONAL_COLUMNS = ("frame_id", "task", "markup")
TABLE_COLUMNS = (
    *(name for name in SCAN_COLUMNS if name not in OPTIONAL_COLUMNS), "valence", "arousal",
)  # fmt: skip
_FIRST = 64  # files after which a look is known to be quick or slow
_QUICK_S = 50e-6  # a local disk takes 4 us; threads then cost more than they save
_AT_ONCE = 16  # on a cluster's file system each look is a journey
_SEPARATOR = "\x1f"


class FileState(NamedTuple):
    """Size in bytes, time of change in ns, and whether a link leads to the file."""

    size: int
    changed: int
    is_link: bool


def chunks(settings: Settings) -> dict[str, list[str]]:
    """Jobs of scanning and registration: chunk -> people, or sequences of the user's table.

    A job keeps its members while others are added behind it.

    Raises
    ------
    BadInput
        The table as a whole cannot be used (see `scan_rows`).
    """
    if settings.source == "manifest":
        members = _codes(_read_columns(settings, ("sequence",))["sequence"]).dictionary.to_pylist()
        size = settings.manifest.sequences_per_job
    else:
        members, size = subjects(settings), settings.recording.subjects_per_job
    starts = range(0, len(members), size)
    return {_name(start // size): members[start : start + size] for start in starts}


def _name(number: int) -> str:
    return f"c{number:04d}"


def read_table(settings: Settings) -> pa.Table:
    """The user's table as text, whole sequences behind one another in the order of their jobs.

    A sequence is posed if it has an expression and no annotation, unless `task` says otherwise.

    Returns
    -------
    Table of SCAN_COLUMNS with frame_id and task filled in, valence, arousal, `repeated` ("true"
    where an earlier row of the table has the same frame_id, else empty) and `chunk`; missing
    cells are empty

    Raises
    ------
    BadInput
        The table cannot be read, lacks columns, names one twice or has no row, or the folder of
        its files is absent.
    """
    table = _read_columns(settings, (*SCAN_COLUMNS, "valence", "arousal"))
    sequences = _codes(table["sequence"]).indices.to_numpy()
    frame_id = _or_else(table["frame_id"], _frame_ids(table))
    jobs = sequences // settings.manifest.sequences_per_job
    filled = {
        "frame_id": frame_id,
        "task": _or_else(table["task"], _tasks(table, sequences)),
        "repeated": _repeated(frame_id),
        "chunk": pa.array([_name(job) for job in range(jobs.max() + 1)]).take(pa.array(jobs)),
    }
    table = pa.table({name: table[name] for name in table.column_names} | filled)
    return table.take(pa.array(np.argsort(sequences, kind="stable"))).combine_chunks()


def scan_rows(settings: Settings) -> dict[str, pa.Table]:
    """The rows of `read_table` by chunk.

    Raises
    ------
    BadInput
        The table as a whole cannot be used (see `read_table`).
    """
    table = read_table(settings)
    names = _codes(table["chunk"])
    starts = np.flatnonzero(np.diff(names.indices.to_numpy(), prepend=-1))
    lengths = np.diff(starts, append=len(table))
    return {
        name: table.slice(start, length)
        for name, start, length in zip(names.dictionary.to_pylist(), starts, lengths, strict=True)
    }


def chunk_state(rows: pa.Table, settings: Settings) -> tuple[str, str]:
    """What makes a chunk of `scan_rows` run again: its rows, and the files that they name."""
    found = look_at_files(rows, str(settings.manifest.root))
    markup = settings.manifest.markup
    own = [f"{markup} {_state(markup)}"] if markup.endswith(MARKUP_FILES) else []
    files = _digest([*(f"{name} {state}" for name, state in found.items()), *own])
    return scans_digest(rows, found), files


def look_at_files(rows: pa.Table, root: str | Path) -> dict[str, FileState | None]:
    """The state of each file that rows name, looked at once; None where there is no such file.

    Parameters
    ----------
    rows : of `read_table`
    root : folder of the files
    """
    columns = [rows[name].combine_chunks() for name in (*FILE_COLUMNS, "markup")]
    named = pc.unique(pa.chunked_array([*columns[:3], _markup_files(columns[3])])).to_pylist()
    names = [name for name in named if name]
    found: dict[str, FileState | None] = {}
    times = [time.perf_counter()]
    for name in names[:_FIRST]:
        found |= _states([name], str(root))
        times.append(time.perf_counter())
    rest = names[_FIRST:]
    if not rest or np.median(np.diff(times)) < _QUICK_S:
        return found | _states(rest, str(root))
    parts = [rest[start::_AT_ONCE] for start in range(_AT_ONCE)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for part in pool.map(_states, parts, repeat(str(root))):
            found |= part
    return {name: found[name] for name in names}


def scans_digest(rows: pa.Table, files: dict[str, FileState | None]) -> str:
    """Digest of what a chunk's scans depend on: its rows without annotations, and missing files.

    Parameters
    ----------
    rows : of `read_table`
    files : of `look_at_files`
    """
    columns = [rows[name] for name in (*SCAN_COLUMNS, "repeated")]
    lines = pc.binary_join_element_wise(*columns, _SEPARATOR).to_pylist()
    return _digest([*lines, *(name for name, state in files.items() if state is None)])


def _states(names: list[str], root: str) -> dict[str, FileState | None]:
    return {name: _state(f"{root}/{name}") for name in names}


def _state(path: str) -> FileState | None:
    try:
        # os and no Path: there are millions
        found = os.lstat(path)
        is_link = stat.S_ISLNK(found.st_mode)
        if is_link:
            found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # such as a name that is too long, or one with a null
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return FileState(found.st_size, found.st_mtime_ns, is_link)


def _markup_files(names: pa.Array) -> pa.Array:
    return names.filter(pc.or_(*(pc.ends_with(names, end) for end in MARKUP_FILES)))


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _codes(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """The column's values in the order in which they first occur, and their places."""
    return column.combine_chunks().dictionary_encode()


def _or_else(column: pa.ChunkedArray, other: pa.Array) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, ""), other, column)


def _frame_ids(table: pa.Table) -> pa.ChunkedArray:
    # tables that went through a float column write 3 as 3.0
    number = pc.replace_substring_regex(table["frame"], r"\.0*$", "")
    return pc.binary_join_element_wise(table["sequence"], pc.utf8_lpad(number, 5, "0"), "/")


def _tasks(table: pa.Table, sequences: np.ndarray) -> pa.Array:
    annotated = _any(sequences, table["valence"]) | _any(sequences, table["arousal"])
    posed = _any(sequences, table["expression"]) & ~annotated
    return pa.array(np.array(["spontaneous", "posed"], dtype=object)[posed[sequences].astype(int)])


def _any(sequences: np.ndarray, column: pa.ChunkedArray) -> np.ndarray:
    """Whether a sequence has a value in the column: (S,) bool."""
    filled = pc.not_equal(column, "").to_numpy()
    return np.bincount(sequences[filled], minlength=sequences.max() + 1) > 0


def _repeated(frame_id: pa.ChunkedArray) -> pa.Array:
    codes = _codes(frame_id).indices.to_numpy()
    later = np.ones(len(codes), dtype=bool)
    later[np.unique(codes, return_index=True)[1]] = False
    return pc.if_else(pa.array(later), "true", "")


def _read_columns(settings: Settings, names: Sequence[str]) -> pa.Table:
    """Columns of the user's table as stripped text; those that it may leave out are empty."""
    path, root = Path(str(settings.manifest.table)), Path(str(settings.manifest.root))
    if not root.is_dir():
        raise BadInput(root, "there is no such folder", "correct gallery.manifest.root")
    try:
        there = _header(path)
        _check_header(there, path)
        table = _read(path, [name for name in names if name in there])
    except BadInput:
        raise
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        said = " ".join(str(error).split())[:160]
        raise BadInput(
            path, f"the table cannot be read ({said})", "correct gallery.manifest.table"
        ) from None
    if not len(table):
        raise BadInput(path, "the table has no row", "list the scans, one row each")
    empty = pa.chunked_array([pa.repeat(pa.scalar(""), len(table))])
    return pa.table({name: _text(table[name]) if name in there else empty for name in names})


def _header(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_schema(path).names)
    with path.open(newline="", encoding="utf-8-sig") as handle:
        return next(csv.reader(handle), [])


def _check_header(there: list[str], path: Path) -> None:
    missing = [name for name in TABLE_COLUMNS if name not in there]
    twice = [name for name in (*TABLE_COLUMNS, *OPTIONAL_COLUMNS) if there.count(name) > 1]
    for names, rule in ((missing, "has no column"), (twice, "has twice the column")):
        if names:
            raise BadInput(path, f"the table {rule} {', '.join(names)}", "see docs/own-data.md")


def _read(path: Path, names: list[str]) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path, columns=names)
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.string())
        ),
    )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells as stripped text, empty where missing (null, or NaN as numeric tools write it)."""
    text = pc.utf8_trim_whitespace(pc.fill_null(pc.cast(column, pa.string()), ""))
    return pc.if_else(pc.equal(pc.utf8_lower(text), "nan"), "", text)
