"""What an unfinished audit has verified, so that the next one continues where it was stopped.

The journal is no part of the results: an entry counts only for a file that has not been touched
since and whose manifest still asks for the very digest that was computed, and only for a day. A
finished audit deletes it, because bits that rot behind an unchanged time stamp are detected only by
reading everything again.
"""

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from affect4d.store.regular import open_regular

NAME = ".audit.journal"
RESUMABLE_S = 24 * 3600.0  # a day: rot that hides behind an old entry is found by the next audit
TICK_S = 0.1  # coarser than any file system's clock: a change within it shows the same times


class State(NamedTuple):
    """What changes when a file's content does: size, both times (ns), inode."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "State":
        """The state of a file."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class Journal:
    """Digests computed by an audit of `root`; a context, and deleted by `finish` alone.

    Where the results folder takes no journal (it is read-only, another audit holds it, or a file of
    that name is none), nothing is kept and nothing resumed.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._file: IO[str] | None = None
        self._entries: dict[str, tuple[State, str]] = {}

    def __enter__(self) -> "Journal":
        with suppress(OSError):
            descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            file = open(descriptor, "r+", encoding="utf-8", errors="replace")  # noqa: PTH123
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise
            file.seek(0)
            lines = [line for line in file if line.strip()]
            if lines and not lines[0].startswith('["'):  # somebody's file of that name
                file.close()
                return self
            self._entries = dict(filter(None, map(_parse, lines)))
            file.write("\n")  # a killed writer may have stopped in the middle of a line
            self._file = file
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            with suppress(OSError):
                self._file.close()

    def digest(self, path: Path, stat: os.stat_result) -> str | None:
        """The sha256 that an interrupted audit computed of `path`, if nothing touched it since."""
        state, sha256 = self._entries.get(str(path), (None, None))
        return sha256 if state == State.of(stat) else None

    def keep(self, path: Path, stat: os.stat_result, sha256: str) -> None:
        """Record the digest of a file in this state."""
        if self._file:
            line = json.dumps([str(path), *State.of(stat), sha256, time.time()])
            # A full disk must not end an audit.
            with suppress(OSError):
                self._file.write(line + "\n")
                self._file.flush()

    def finish(self) -> None:
        """Everything was read: the next audit reads all of it again."""
        if self._file:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def _parse(line: str) -> tuple[str, tuple[State, str]] | None:
    """One entry; None where it is torn, or not of the last day by this machine's clock."""
    try:
        path, *numbers, sha256, when = json.loads(line)
        state = State(*numbers)
        recent = 0 <= time.time() - when <= RESUMABLE_S
        certain = when - state.changed / 1e9 > TICK_S
        return (str(path), (state, str(sha256))) if recent and certain else None
    except (ValueError, TypeError, RecursionError):
        return None
