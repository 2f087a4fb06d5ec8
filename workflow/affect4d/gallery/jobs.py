"""What one job of the gallery takes, and what its result depends on beside the settings.

Both are needed when the workflow is parsed, so files are looked up only for the chunks whose state
is asked for.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.gallery import Settings, subjects
from affect4d.formats.markup import MARKUP_FILES
from affect4d.gallery.user_table import (
    FILE_COLUMNS,
    chunk_name,
    read_neutral_people,
    read_sequences,
)
from affect4d.quarantine import BadInput
from affect4d.random_streams import choose_names

# A look-up waits for a cluster's file system, not for the processor: 16 at once shorten the wait,
# and 200,000 files on a local disk take as long as one after the other (1.9 s).
_THREADS = 16
_SEPARATOR = "\x1f"  # ASCII's unit separator, which no cell of a table holds
_DIGITS = 16  # 64 bits tell the states of one build apart


class FileState(NamedTuple):
    """Size in bytes, modification time in ns, and whether the path is a link to the file."""

    size: int
    modified_ns: int
    is_link: bool


def chunks(settings: Settings) -> dict[str, list[str]]:
    """Jobs of scanning and registration: chunk -> people, or sequences of the user's table.

    A job keeps its members when others are appended.

    Raises
    ------
    BadInput
        The table cannot be used (see `read_table`).
    """
    if settings.source == "manifest":
        members, size = read_sequences(settings), settings.manifest.sequences_per_job
    else:
        members, size = subjects(settings), settings.recording.subjects_per_job
    starts = range(0, len(members), size)
    return {chunk_name(start // size): members[start : start + size] for start in starts}


def chunks_of(people: int, settings: Settings, *, required: bool = False) -> list[str]:
    """The chunks with the neutral scans of so many people, whom `choose_names` chooses.

    Raises
    ------
    BadInput
        They are required, and the table has no neutral scan.
    """
    named = read_neutral_people(settings) if settings.source == "manifest" else chunks(settings)
    if required and not named:
        raise BadInput(
            str(settings.manifest.table),
            "no row is neutral, so that template.adapt_people has no people to adapt to",
            "set is_neutral in the rows of neutral frames, or template.adapt_people: 0",
        )
    chosen = set(choose_names((name for names in named.values() for name in names), people))
    return [chunk for chunk, names in named.items() if chosen & set(names)]


def chunk_state(rows: pa.Table, settings: Settings) -> tuple[str, str]:
    """What makes a chunk of `scan_rows` run again: its rows, and the files that they name."""
    files = file_states(rows, str(settings.manifest.root))
    markup = settings.manifest.markup
    default = {markup: _state(markup)} if markup.lower().endswith(MARKUP_FILES) else {}
    lines = [f"{name} {state}" for states in (files, default) for name, state in states.items()]
    return scans_digest(rows, files), _digest(lines)


def file_states(rows: pa.Table, root: str) -> dict[str, FileState | None]:
    """The state of each file that rows name; None where there is no such file.

    Parameters
    ----------
    rows : of `read_table`
    root : folder of the files
    """
    columns = [rows[name].combine_chunks() for name in FILE_COLUMNS]
    markups = rows["markup"].combine_chunks()
    own = markups.filter(
        pc.or_(*(pc.ends_with(pc.utf8_lower(markups), end) for end in MARKUP_FILES))
    )
    named = pc.unique(pa.chunked_array([*columns, own])).to_pylist()
    names = [name for name in named if name]
    parts = [names[start::_THREADS] for start in range(_THREADS)]
    states: dict[str, FileState | None] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for part in pool.map(_states, parts, repeat(root)):
            states |= part
    return {name: states[name] for name in names}


def scans_digest(rows: pa.Table, files: dict[str, FileState | None]) -> str:
    """Digest of what a chunk's scans depend on: its rows without annotations, and missing files.

    Parameters
    ----------
    rows : of `read_table`
    files : of `file_states`
    """
    columns = [rows[name] for name in (*SCAN_COLUMNS, "repeated")]
    lines = pc.binary_join_element_wise(*columns, _SEPARATOR).to_pylist()
    return _digest([*lines, *(name for name, state in files.items() if state is None)])


def _states(names: list[str], root: str) -> dict[str, FileState | None]:
    return {name: _state(f"{root}/{name}") for name in names}


def _state(path: str) -> FileState | None:
    try:
        # os instead of Path, which takes longer: there are millions of files
        state = os.lstat(path)
        is_link = stat.S_ISLNK(state.st_mode)
        if is_link:
            state = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # such as a name that is too long, or one with a null
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    return FileState(state.st_size, state.st_mtime_ns, is_link)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]
