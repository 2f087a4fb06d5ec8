"""The list of people who withdrew: no later build takes them in."""

import hashlib
from pathlib import Path

from affect4d.quarantine import BadInput

Person = tuple[str, str]  # database, and subject as the columns `subject` name people
_HEADER = "# People who withdrew, as database/subject; no later build takes them in.\n"


def read_withdrawn(file: Path | str) -> set[Person]:
    """The people on a list; nobody where there is no list.

    Parameters
    ----------
    file : lines `database/subject`; what follows # is a comment

    Raises
    ------
    BadInput
        The list cannot be read, or a line is not of this form.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeError) as error:
        raise BadInput(file, f"cannot be read ({error})", "bring the list back") from None
    people = set()
    for number, line in enumerate(lines, 1):
        entry = line.partition("#")[0].strip()
        database, separator, subject = entry.partition("/")
        if entry and not (database and separator and subject):
            rule = "is not database/subject"
            raise BadInput(f"{file}:{number}", rule, "write such as photographs/takeo")
        if entry:
            people.add((database, subject))
    return people


def add_withdrawn(file: Path, person: Person) -> None:
    """Put a person on a list, which is made if there is none."""
    if person not in read_withdrawn(file):
        text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
        lines = text if text.endswith("\n") else f"{text}\n"
        file.write_text(f"{lines}{'/'.join(person)}\n", encoding="utf-8")


def withdrawn_digest(file: Path | str, database: str) -> str:
    """Digest of the people of one database on a list; "" where there is none of them.

    A job's parameter: the names themselves would stay in Snakemake's memory.
    """
    subjects = sorted(subject for name, subject in read_withdrawn(file) if name == database)
    return hashlib.sha256("\n".join(subjects).encode()).hexdigest() if subjects else ""
