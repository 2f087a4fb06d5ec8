"""What an audit found: one finding per line, naming artifact, file and remedy; the exit code."""

import enum
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from affect4d.artifacts.provenance import VERDICT
from affect4d.plurals import plural
from affect4d.quarantine import printable
from affect4d.store import StoreError, canonical
from affect4d.store.manifest import REBUILD, UNREADABLE
from affect4d.store.regular import read_regular

_MAX_SHOWN = 20  # findings of one kind about one file: more would bury those about other files


class Kind(enum.StrEnum):
    """What a finding means for the artifact."""

    DAMAGED = "damaged"  # its bytes, or its labels, are not what they must be
    STALE = "stale"  # it is intact, but was built from other inputs than those that are there
    UNRESOLVED = "unresolved"  # its lineage leads to something that is missing or not known
    UNLISTED = "unlisted"  # files that no manifest lists


@dataclass(frozen=True)
class Finding:
    """One problem: `artifact` and `file` are relative to the results folder."""

    kind: Kind
    artifact: str
    file: str
    what: str
    remedy: str = REBUILD

    def __str__(self) -> str:
        return printable(f"{self.artifact}: {self.file}: {self.what}; {self.remedy}")


def damaged(artifact: str, file: str, what: str) -> Finding:
    """The finding that an artifact has to be built again."""
    return Finding(Kind.DAMAGED, artifact, file, what)


@dataclass(frozen=True)
class Verdict:
    """The outcome of an audit.

    Attributes
    ----------
    artifacts, files, bytes : how much there is
    known : the digest of every artifact's manifest, so that a later audit misses one that is gone
        altogether, and `invalidate` keeps what was rebuilt since
    problems : what keeps the build from being intact
    leftovers : manifests of what the configuration no longer has, with their digests
    notes : what does no harm, such as leftovers of killed jobs
    error : why the audit failed to run; empty where it ran
    sampled : the number of files whose content was read, where not all were; else None
    """

    artifacts: int = 0
    known: dict[str, str] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    problems: tuple[Finding, ...] = ()
    leftovers: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())
    error: str = ""
    sampled: int | None = None

    @property
    def intact(self) -> bool:
        """Whether every artifact, as far as it was checked, is intact and its lineage known."""
        return not self.problems and not self.error

    @property
    def exit_code(self) -> int:
        """0 intact, 1 broken, 2 failed to run."""
        return 2 if self.error else int(bool(self.problems))

    def text(self) -> str:
        """One line per problem, one per note, and a line that sums up."""
        if self.error:
            return printable(f"audit failed to run: {self.error}")
        checked = (
            f"{self.artifacts} {plural(self.artifacts, 'artifact')}, "
            f"{self.files} {plural(self.files, 'file')}, {self.bytes / 1e6:.1f} MB"
        )
        if self.sampled is not None:
            checked += f", of which {self.sampled} files were read"
        if self.problems:
            state = f"broken, problems: {len(self.problems)}"
        else:
            state = "intact" if self.sampled is None else "no problem in this sample"
        notes = [printable(f"note: {note}") for note in self.notes]
        return "\n".join([*map(str, self.problems), *notes, f"{checked}: {state}"])

    def record(self) -> dict[str, Any]:
        """The verdict as JSON values, its text and a digest of all else among them."""
        values = {**asdict(self), "whole": self.intact, "text": self.text()}
        return add_digest(_unicode(json.loads(json.dumps(values))))


def add_digest(record: dict[str, Any]) -> dict[str, Any]:
    """`record` with the sha256 of its canonical JSON, by which a later audit trusts it."""
    content = {key: value for key, value in record.items() if key != "digest"}
    return {**content, "digest": hashlib.sha256(canonical(content)).hexdigest()}


def read_verdict(root: Path) -> dict[str, Any] | None:
    """The verdict of the last audit of a results folder as it was recorded, if any was.

    Raises
    ------
    StoreError
        It was changed since.
    """
    path = VERDICT.path(root)
    if not os.path.lexists(path):
        return None
    try:
        record: dict[str, Any] = json.loads(read_regular(path))
        if add_digest(record) == record:
            return record
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
    what = "the verdict of the last audit is not what was written"
    raise StoreError(path, what, "delete it, then run snakemake")


def _unicode(value: Any) -> Any:
    """JSON values without the surrogates by which Python writes names that are no Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_unicode(entry) for entry in value]
    if isinstance(value, dict):
        return {_unicode(key): _unicode(entry) for key, entry in value.items()}
    return value


def shortened(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first findings of one kind about one file, and how many more there are."""
    remaining = iter(findings)
    last = None
    for last in islice(remaining, _MAX_SHOWN):
        yield last
    more = sum(1 for _ in remaining)
    if last and more:
        yield Finding(last.kind, last.artifact, last.file, f"and {more} more like this")


def guarded(
    artifact: str, file: str, check: Callable[..., Iterable[Finding]], *arguments: Any
) -> list[Finding]:
    """The findings of `check(*arguments)`; what makes it fail is a finding about `file`.

    Raises
    ------
    OSError
        The system refuses to let the file be read.
    """
    findings: list[Finding] = []
    try:
        findings.extend(check(*arguments))
    except StoreError as error:
        kind = Kind.DAMAGED if error.remedy == REBUILD else Kind.UNRESOLVED
        findings.append(Finding(kind, artifact, file, error.what, error.remedy))
    # Whatever the bytes make a parser raise, the audit must go on and name the file.
    except Exception as error:
        # Arrow's own errors are OSErrors without a number; a missing file is not the system's.
        is_system = isinstance(error, OSError) and error.errno is not None
        if is_system and not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise
        message = (str(error).splitlines() or [""])[0]
        what = f"is not what its schema says ({type(error).__name__}: {message})"
        findings.append(damaged(artifact, file, what))
    return findings
