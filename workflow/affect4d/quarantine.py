"""Bad input: one clear line that names file, rule and remedy, and a table that keeps it."""

import csv
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from affect4d.artifacts.quarantine import COLUMNS

_MAX_TEXT = 4096  # characters: the longest path of Linux

log = logging.getLogger(__name__)


class BadInput(ValueError):
    """Input that breaks a rule; `str()` gives one line "FILE: RULE; REMEDY"."""

    def __init__(self, file: object, rule: object, remedy: object) -> None:
        self.file, self.rule, self.remedy = map(_one_line, (file, rule, remedy))
        super().__init__(f"{self.file}: {self.rule}; {self.remedy}")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        return BadInput, (self.file, self.rule, self.remedy)


def as_bad_input(error: BadInput | OSError, file: object) -> BadInput:
    """The error itself, or that of the file system on `file` as BadInput."""
    if isinstance(error, BadInput):
        return error
    return BadInput(file, f"cannot be read ({error.strerror})", "check the file and its name")


def printable(value: object) -> str:
    """The value as one line of UTF-8 that a terminal shows as it is: other characters escaped."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _one_line(value: object) -> str:
    """The value as text that fits one line of UTF-8, whatever a file or its name holds."""
    text = printable(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


@dataclass(frozen=True)
class Row:
    """One quarantined item, as a row of a quarantine table."""

    stage: str
    item: str
    file: str
    rule: str
    remedy: str


class Quarantine:
    """Collects bad input of one job, so that the rest of the job goes on.

    Parameters
    ----------
    stage : the stage of the workflow, such as "registration"
    strict : raise the first bad input instead of collecting it
    """

    def __init__(self, stage: str, strict: bool = False) -> None:
        self.stage, self.strict = stage, strict
        self.rows: list[Row] = []

    def add(self, item: object, problem: BadInput) -> None:
        """Keep one BadInput under the item it concerns; raises it when strict."""
        if self.strict:
            raise problem
        self.leave_out(item, problem)

    def leave_out(self, item: object, problem: BadInput) -> None:
        """Keep a row of what gets no result though no input of it is bad; never raises."""
        row = Row(self.stage, _one_line(item), problem.file, problem.rule, problem.remedy)
        log.warning("quarantined %s: %s", row.item, problem)
        self.rows.append(row)

    def first(self) -> str:
        """The first row as one line; "" where there is none."""
        return "".join(f"{row.file}: {row.rule}; {row.remedy}" for row in self.rows[:1])

    def write(self, path: Path | str) -> None:
        """Write the rows as CSV (header even when there are none)."""
        with Path(path).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(
                handle, [column.name for column in COLUMNS], lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)
