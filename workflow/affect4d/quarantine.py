"""Bad input: one clear line that names file, rule and remedy, and a table that keeps it."""

import csv
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from affect4d.artifacts.quarantine import COLUMNS

log = logging.getLogger(__name__)


class BadInput(ValueError):
    """Input that breaks a rule; `str()` gives one line "FILE: RULE; REMEDY"."""

    def __init__(self, file: object, rule: object, remedy: object) -> None:
        self.file, self.rule, self.remedy = str(file), str(rule), str(remedy)
        super().__init__(f"{self.file}: {self.rule}; {self.remedy}")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        return BadInput, (self.file, self.rule, self.remedy)


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
        log.warning("quarantined %s: %s", item, problem)
        self.rows.append(Row(self.stage, str(item), problem.file, problem.rule, problem.remedy))

    def write(self, path: Path | str) -> None:
        """Write the rows as CSV (header even when there are none)."""
        with Path(path).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(
                handle, [column.name for column in COLUMNS], lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)
