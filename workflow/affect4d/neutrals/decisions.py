"""What people decided on candidates: a table to which every decision is appended.

Rows `image_id,decision,reviewer,time` are never changed: of each reviewer the last decision on an
image counts, and `undo` takes it back. Several programs may append at the same time. A row that a
killed program left unfinished is passed over, and so is any other that says nothing.
"""

import csv
import fcntl
import logging
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import FileIO, StringIO
from pathlib import Path
from typing import NamedTuple

from affect4d.neutrals.candidates import Candidate
from affect4d.quarantine import BadInput
from affect4d.store.regular import open_regular

ACCEPT, REJECT, UNDO = "accept", "reject", "undo"
_KNOWN = {ACCEPT, REJECT, UNDO}
MAX_BYTES = 1 << 28  # of the table: some million decisions

log = logging.getLogger("affect4d")


class Decision(NamedTuple):
    """One row: `decision` is accept, reject or undo; `time` is ISO 8601."""

    image_id: str
    decision: str
    reviewer: str
    time: str


COLUMNS = Decision._fields
Verdicts = dict[str, dict[str, str]]  # image_id -> reviewer -> accept or reject


class DecisionFile:
    """The table of decisions; it may not exist yet.

    Parameters
    ----------
    path : of the table, CSV in UTF-8

    Raises
    ------
    BadInput
        By its methods: the file is no such table, or is too large.
    OSError
        By its methods: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0  # bytes that were read
        self._known: tuple[int, int] | None = None  # device and inode of what was read

    def append(self, reviewer: str, decisions: Iterable[tuple[str, str]]) -> None:
        """Append pairs of image_id and decision; they are on the disk when this returns."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows = [Decision(image_id, decision, reviewer, now) for image_id, decision in decisions]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX) as file:
            text = StringIO()
            end = file.seek(0, os.SEEK_END)
            writer = csv.writer(text, lineterminator="\n")
            if not end:
                writer.writerow(COLUMNS)
            else:
                file.seek(end - 1)
                if file.read(1) != b"\n":  # a program was killed, or an editor left it out
                    text.write("\n")
            writer.writerows(rows)
            rest = memoryview(text.getvalue().encode())
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())

    def read_new(self) -> list[Decision]:
        """The decisions that were added since the last call; all at the first."""
        if not self.path.exists():
            return []
        with self._locked(os.O_RDONLY, fcntl.LOCK_SH) as file:
            size, status = file.seek(0, os.SEEK_END), os.fstat(file.fileno())
            same = (status.st_dev, status.st_ino)
            if size > MAX_BYTES:
                raise BadInput(self.path, f"has more than {MAX_BYTES} bytes", "start another file")
            if size < self._end or self._known not in (None, same):
                raise BadInput(self.path, "was replaced meanwhile", "start the command again")
            file.seek(self._end)
            content = file.read(size - self._end)
        if not self._end:
            content = self._check_header(content)
        self._end, self._known = size, same
        return list(filter(None, map(self._parse, content.decode(errors="replace").splitlines())))

    @contextmanager
    def _locked(self, flags: int, lock: int) -> Iterator[FileIO]:
        descriptor = open_regular(self.path, flags, follow=True)
        with FileIO(descriptor, "r+" if flags & os.O_RDWR else "r") as file:
            fcntl.flock(descriptor, lock)
            yield file

    def _check_header(self, content: bytes) -> bytes:
        """The content without its first line, which names the columns."""
        header, _, rest = content.partition(b"\n")
        named = header.decode("utf-8-sig", errors="replace").strip()
        if content and named != ",".join(COLUMNS):
            rule = f"its first line is not {','.join(COLUMNS)}"
            raise BadInput(self.path, rule, "name a table that affect4d review made")
        return rest

    def _parse(self, line: str) -> Decision | None:
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            cells = [line]
        if len(cells) == len(COLUMNS):
            row = Decision(*map(str.strip, cells))
            if row.decision in _KNOWN and row.reviewer and _is_time(row.time):
                return row._replace(reviewer=unicodedata.normalize("NFC", row.reviewer))
        if cells:
            log.warning("%s: passed over, no decision: %.200r", self.path, line)
        return None


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def count_verdicts(decisions: Iterable[Decision]) -> Verdicts:
    """What each reviewer says of each image, after all decisions and what was undone."""
    history: dict[tuple[str, str], list[str]] = {}
    for row in decisions:
        made = history.setdefault((row.image_id, row.reviewer), [])
        if row.decision != UNDO:
            made.append(row.decision)
        elif made:
            made.pop()
    verdicts: Verdicts = {}
    for (image_id, reviewer), made in history.items():
        if made:
            verdicts.setdefault(image_id, {})[reviewer] = made[-1]
    return verdicts


def is_rejected(verdict: Mapping[str, str]) -> bool:
    """Whether at least half of those who looked at an image reject it: a tie is no acceptance."""
    said = list(verdict.values())
    return said.count(REJECT) >= max(said.count(ACCEPT), 1)


def apply_decisions(candidates: Iterable[Candidate], path: Path) -> list[Candidate]:
    """The candidates, with those unwanted that reviewers reject, and those preferred they accept.

    Raises
    ------
    BadInput
        The table of decisions cannot be read.
    """
    verdicts = count_verdicts(DecisionFile(path).read_new())
    decided = []
    for candidate in candidates:
        verdict = verdicts.pop(candidate.image_id, {})
        if is_rejected(verdict):
            names = sorted(name for name, said in verdict.items() if said == REJECT)
            candidate = replace(candidate, unwanted=f"rejected by {', '.join(names)}")
        elif verdict:
            candidate = replace(candidate, preferred=True)
        decided.append(candidate)
    if verdicts:
        # not by name: they may be of people who withdrew
        log.warning("%s: %d of its images are no candidates", path, len(verdicts))
    return decided


def describe_inspection(image_ids: Iterable[str], path: Path | None) -> str:
    """How many of the images that are used somebody inspected, for the dataset card."""
    verdicts = {} if path is None else count_verdicts(DecisionFile(path).read_new())
    used = list(image_ids)
    inspected = [verdicts[image_id] for image_id in used if image_id in verdicts]
    if not inspected:
        return "not inspected"
    count = len(set().union(*inspected))
    some = "" if len(inspected) == len(used) else f"{len(inspected)} of {len(used)} "
    return f"{some}inspected by {count} reviewer{'s' * (count > 1)}"
