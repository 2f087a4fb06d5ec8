"""What an audit found: one finding a line, naming artifact, file and remedy, and the exit code."""

import enum
from dataclasses import asdict, dataclass, field

from affect4d.store.manifest import REBUILD


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
        return f"{self.artifact}: {self.file}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Verdict:
    """The outcome of an audit.

    Attributes
    ----------
    artifacts, files, bytes : how much was looked at
    known : every artifact, so that a later audit misses one that is gone altogether
    problems : what makes the build not whole
    notes : what is in the way of nothing, such as leftovers of killed jobs
    error : why the audit could not look; empty where it could
    """

    artifacts: int = 0
    known: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    problems: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = field(default=())
    error: str = ""

    @property
    def whole(self) -> bool:
        """Whether every artifact is whole and its lineage known."""
        return not self.problems and not self.error

    @property
    def exit_code(self) -> int:
        """0 whole, 1 broken, 2 could not look."""
        return 2 if self.error else int(bool(self.problems))

    def text(self) -> str:
        """One line a problem, one a note, and a line that sums up."""
        if self.error:
            return f"could not look: {self.error}"
        state = f"broken, problems: {len(self.problems)}" if self.problems else "whole"
        looked = f"{self.artifacts} artifacts, {self.files} files, {self.bytes / 1e6:.1f} MB"
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([*map(str, self.problems), *notes, f"{looked}: {state}"])

    def record(self) -> dict:
        """The verdict as JSON values, its text among them."""
        return {**asdict(self), "whole": self.whole, "text": self.text()}
