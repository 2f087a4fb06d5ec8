"""subjects.csv: who is who, and which faces are neutral, where file names do not say it."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect4d.database_adapters import Source
from affect4d.formats.paths import inside
from affect4d.formats.tables import read_rows
from affect4d.neutrals.candidates import normalise
from affect4d.quarantine import BadInput

SUBJECTS = "subjects.csv"
_NEUTRAL = {"": None, "yes": True, "no": False, "1": True, "0": False}


@dataclass(frozen=True)
class Entry:
    """What a row says of an image or a clip.

    Attributes
    ----------
    line : number of the row
    subject_id, subject_name : the person; "" where the row leaves it to the layout
    is_neutral : None where the row leaves it to the layout
    """

    line: int
    subject_id: str
    subject_name: str
    is_neutral: bool | None


def read_subjects(source: Source[Any], key: str = "image") -> dict[str, Entry]:
    """The rows of subjects.csv in a database's root, by their image or clip.

    Columns: `key`, `subject` and, where given, `neutral` (yes or no). What two rows give to two
    people is left out.

    Parameters
    ----------
    source : the database
    key : the column that names the image (a path below the root), or the clip

    Raises
    ------
    BadInput
        The table cannot be read.
    """
    path = source.root / SUBJECTS
    if not os.path.lexists(path):
        return {}
    entries: dict[str, Entry] = {}
    refused: set[str] = set()
    rows = read_rows(path, (key, "subject"), max_bytes=source.limits.side_file_bytes)
    for number, row in rows:
        try:
            line = f"{path}:{number}"
            name = _item(source.root, line, row[key])
            entry = _entry(line, number, row)
            known = entries.setdefault(name, entry)
            if (known.subject_id, known.is_neutral) != (entry.subject_id, entry.is_neutral):
                refused.add(name)
                rule = f"line {known.line} says otherwise of {name}"
                raise BadInput(line, rule, "remove one of the two rows")
        except BadInput as problem:
            source.quarantine.add(f"{SUBJECTS}:{number}", problem)
    return {name: entry for name, entry in entries.items() if name not in refused}


def report_unused(
    source: Source[Any], entries: dict[str, Entry], used: set[str], *, what: str = "image"
) -> None:
    """One quarantine row for each entry that names nothing that is there."""
    for name in sorted(entries.keys() - used):
        line = entries[name].line
        rule = f"there is no {what} {name!r}"
        problem = BadInput(f"{source.root / SUBJECTS}:{line}", rule, "correct or remove the row")
        source.quarantine.add(f"{SUBJECTS}:{line}", problem)


def _item(root: Path, line: str, name: str) -> str:
    try:
        relative = inside(root, name).relative_to(root).as_posix()
        return unicodedata.normalize("NFC", relative)
    except BadInput as problem:
        raise BadInput(line, f"{name!r}: {problem.rule}", problem.remedy) from None


def _entry(line: str, number: int, row: dict[str, str]) -> Entry:
    stated = row.get("neutral", "").strip().lower()
    if stated not in _NEUTRAL:
        raise BadInput(line, f"`neutral` is {stated!r}", "write yes or no, or leave it empty")
    name, neutral = row["subject"].strip(), _NEUTRAL[stated]
    subject = normalise(name)
    if not subject and (name or neutral is None):
        raise BadInput(line, f"the subject {name!r} is empty", "name the person")
    return Entry(number, subject, name, neutral)
