"""The user's table of scans, read by column as text.

Every job on a cluster parses the workflow anew and reads the table's columns then, so a table of
half a million rows has to take seconds.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.gallery import Settings
from affect4d.quarantine import BadInput

FILE_COLUMNS = ("mesh", "texture", "landmarks")
OPTIONAL_COLUMNS = ("frame_id", "task", "markup")
TABLE_COLUMNS = (
    *(name for name in SCAN_COLUMNS if name not in OPTIONAL_COLUMNS), "valence", "arousal",
)  # fmt: skip
BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_MAX_SHOWN = 160  # characters of another library's message


def chunk_name(number: int) -> str:
    """Name of the chunk of one job."""
    return f"c{number:04d}"


def read_sequences(settings: Settings) -> list[str]:
    """Names of the table's sequences, in the order of their first rows."""
    sequences: list[str] = _codes(
        _read_columns(settings, ("sequence",))["sequence"]
    ).dictionary.to_pylist()
    return sequences


def read_neutral_people(settings: Settings) -> dict[str, list[str]]:
    """The people in each chunk of the table of whom it has a neutral scan."""
    table = _read_columns(settings, ("sequence", "subject", "is_neutral"))
    jobs = _codes(table["sequence"]).indices.to_numpy() // settings.manifest.sequences_per_job
    true = pa.array([text for text, value in BOOLEANS.items() if value])
    neutral = pc.is_in(pc.utf8_lower(table["is_neutral"]), true).to_numpy()
    people = table["subject"].to_pandas()[neutral].groupby(jobs[neutral]).unique()
    return {chunk_name(int(job)): list(names) for job, names in people.items()}


def read_table(settings: Settings) -> pa.Table:
    """The user's table as text, sequence by sequence in the order of their jobs.

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
        "chunk": pa.array([chunk_name(job) for job in range(jobs.max() + 1)]).take(pa.array(jobs)),
    }
    table = pa.table({name: table[name] for name in table.column_names} | filled)
    return table.take(pa.array(np.argsort(sequences, kind="stable"))).combine_chunks()


def scan_rows(settings: Settings) -> dict[str, pa.Table]:
    """The rows of `read_table` by chunk.

    Raises
    ------
    BadInput
        The table cannot be used (see `read_table`).
    """
    table = read_table(settings)
    names = _codes(table["chunk"])
    starts = np.flatnonzero(np.diff(names.indices.to_numpy(), prepend=-1))
    lengths = np.diff(starts, append=len(table))
    return {
        name: table.slice(start, length)
        for name, start, length in zip(names.dictionary.to_pylist(), starts, lengths, strict=True)
    }


def _codes(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """The column's values in the order of their first rows, and each row's index into them."""
    return column.combine_chunks().dictionary_encode()


def _or_else(column: pa.ChunkedArray, other: pa.Array) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, ""), other, column)


def _frame_ids(table: pa.Table) -> pa.ChunkedArray:
    # tables that went through a float column write 3 as 3.0
    number = pc.replace_substring_regex(table["frame"], r"\.0*$", "")
    return pc.binary_join_element_wise(table["sequence"], pc.utf8_lpad(number, 5, "0"), "/")


def _tasks(table: pa.Table, sequences: NDArray[np.int64]) -> pa.Array:
    annotated = _any(sequences, table["valence"]) | _any(sequences, table["arousal"])
    posed = _any(sequences, table["expression"]) & ~annotated
    return pa.array(np.array(["spontaneous", "posed"], dtype=object)[posed[sequences].astype(int)])


def _any(sequences: NDArray[np.int64], column: pa.ChunkedArray) -> NDArray[np.bool_]:
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
        if path.exists() and not path.is_file():
            raise BadInput(path, "the table is no regular file", "give the file itself")
        header = _header(path)
        _check_header(header, path)
        table = _read(path, [name for name in names if name in header])
    except BadInput:
        raise
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:_MAX_SHOWN]
        raise BadInput(
            path, f"the table cannot be read ({reason})", "correct gallery.manifest.table"
        ) from None
    if not len(table):
        raise BadInput(path, "the table has no row", "list the scans, one per row")
    empty = pa.chunked_array([pa.repeat(pa.scalar(""), len(table))])
    return pa.table({name: _text(table[name]) if name in header else empty for name in names})


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        return list(pyarrow.parquet.read_schema(path).names)
    with path.open(newline="", encoding="utf-8-sig") as handle:
        return next(csv.reader(handle), [])


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in TABLE_COLUMNS if name not in header]
    repeated = [name for name in (*TABLE_COLUMNS, *OPTIONAL_COLUMNS) if header.count(name) > 1]
    for names, rule in ((missing, "has no column"), (repeated, "repeats the column")):
        if names:
            raise BadInput(path, f"the table {rule} {', '.join(names)}", "see docs/own-data.md")


def _read(path: Path, names: list[str]) -> pa.Table:
    if path.suffix.lower() == ".parquet":
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
