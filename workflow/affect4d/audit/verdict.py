"""What an audit found: one finding a line, naming artifact, file and remedy, and the exit code."""

import enum
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from affect4d.store import StoreError, canonical
from affect4d.store.manifest import REBUILD

_SHOWN = 20


class Kind(enum.StrEnum):
    """What a finding means for the artifact."""

    DAMAGED = "damaged"  # its bytes, or its labels, are not what they must be
    STALE = "stale"  # it is whole, but was built from other inputs than those that are there
    OPEN = "open"  # its lineage leads to something that is not there or not known
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
        return _printable(f"{self.artifact}: {self.file}: {self.what}; {self.remedy}")


@dataclass(frozen=True)
class Verdict:
    """The outcome of an audit.

    Attributes
    ----------
    artifacts, files, bytes : how much there is
    known : the digest of every artifact's manifest, so that a later audit misses one that is gone
        altogether, and `invalidate` keeps what was built anew since
    problems : what makes the build not whole
    notes : what is in the way of nothing, such as leftovers of killed jobs
    error : why the audit could not look; empty where it could
    sampled : the number of files whose content was read, where not all were; else None
    """

    artifacts: int = 0
    known: dict[str, str] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    problems: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = field(default=())
    error: str = ""
    sampled: int | None = None

    @property
    def whole(self) -> bool:
        """Whether every artifact, as far as it was looked at, is whole and its lineage known."""
        return not self.problems and not self.error

    @property
    def exit_code(self) -> int:
        """0 whole, 1 broken, 2 could not look."""
        return 2 if self.error else int(bool(self.problems))

    def text(self) -> str:
        """One line a problem, one a note, and a line that sums up."""
        if self.error:
            return f"could not look: {self.error}"
        looked = f"{self.artifacts} artifacts, {self.files} files, {self.bytes / 1e6:.1f} MB"
        if self.sampled is not None:
            looked += f", of which {self.sampled} files were read"
        if self.problems:
            state = f"broken, problems: {len(self.problems)}"
        else:
            state = "whole" if self.sampled is None else "no problem in this sample"
        notes = [_printable(f"note: {note}") for note in self.notes]
        return "\n".join([*map(str, self.problems), *notes, f"{looked}: {state}"])

    def record(self) -> dict:
        """The verdict as JSON values, its text and a digest of all the rest among them."""
        values = {**asdict(self), "whole": self.whole, "text": self.text()}
        return seal(_unicode(json.loads(json.dumps(values))))


def seal(record: dict) -> dict:
    """`record` with the sha256 of its canonical JSON, by which a later audit believes it."""
    rest = {key: value for key, value in record.items() if key != "digest"}
    return {**rest, "digest": hashlib.sha256(canonical(rest)).hexdigest()}


def _unicode(value: Any) -> Any:
    """JSON values without the surrogates by which Python writes names that are no Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_unicode(entry) for entry in value]
    if isinstance(value, dict):
        return {_unicode(key): _unicode(entry) for key, entry in value.items()}
    return value


def _printable(text: str) -> str:
    """One line of Unicode, whatever bytes a file's name is made of."""
    whole = _unicode(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole)


def few(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first findings of one kind about one file, and how many more there are."""
    rest = iter(findings)
    last = None
    for last in islice(rest, _SHOWN):
        yield last
    more = sum(1 for _ in rest)
    if last and more:
        yield Finding(last.kind, last.artifact, last.file, f"and {more} more like this")


def guarded(
    artifact: str, file: str, check: Callable[..., Iterable[Finding]], *arguments: Any
) -> list[Finding]:
    """The findings of `check(*arguments)`; what it cannot make sense of is a finding about `file`.

    Raises
    ------
    OSError
        The system refuses to let the file be read.
    """
    found: list[Finding] = []
    try:
        found.extend(check(*arguments))
    except StoreError as error:
        kind = Kind.DAMAGED if error.remedy == REBUILD else Kind.OPEN
        found.append(Finding(kind, artifact, file, error.what, error.remedy))
    # Whatever the bytes make a parser raise, the audit must go on and name the file.
    except Exception as error:
        # Arrow's own errors are OSErrors without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).splitlines() or [""]
        what = f"is not what its schema says ({type(error).__name__}: {said[0]})"
        found.append(Finding(Kind.DAMAGED, artifact, file, what))
    return found
