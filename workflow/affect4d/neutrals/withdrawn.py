"""The list of people who withdrew: no later build takes them in."""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from affect4d import store
from affect4d.config.neutrals import Settings
from affect4d.neutrals.candidates import Candidate, normalise
from affect4d.quarantine import BadInput, Quarantine

_HEADER = "# People who withdrew, as database/subject; no later build takes them in.\n"

log = logging.getLogger(__name__)


class Person(NamedTuple):
    """A person, as the columns `database` and `subject` name people."""

    database: str
    subject: str

    def __str__(self) -> str:
        return f"{self.database}/{self.subject}"


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
            people.add(Person(database, subject))
    return people


def withdrawal_lists(stated: Iterable[Mapping[str, Any]], root: Path) -> set[Path]:
    """The lists that settings in a build's manifests name.

    A relative path counts from the project's folder: the nearest above the results that has a
    config.yaml, else the working directory.

    Parameters
    ----------
    stated : the settings of each manifest
    root : the results folder, absolute
    """
    default = Settings.model_fields["withdrawn"].default
    sections = (settings["neutrals"] for settings in stated if "neutrals" in settings)
    lists = {str(each.get("withdrawn", default)) for each in sections if isinstance(each, dict)}
    above = (folder for folder in root.parents if (folder / "config.yaml").is_file())
    project = next(above, Path())
    return {project / file for file in lists}


def add_withdrawn(file: Path, person: Person) -> None:
    """Put a person on a list, which is made if there is none."""
    if person not in read_withdrawn(file):
        text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
        lines = text if text.endswith("\n") else f"{text}\n"
        with store.atomic(file) as unfinished:
            unfinished.write_text(f"{lines}{'/'.join(person)}\n", encoding="utf-8")


def spellings(person: Person) -> set[Person]:
    """A person on a list as the tables of a build may have them: as written, and as an id."""
    database, subject = person
    names = {subject, unicodedata.normalize("NFC", subject), normalise(subject)}
    return {Person(database, name) for name in names if name}


class Problems(Quarantine):
    """Keeps what cannot be used, without a word in the log, until it is known whose it is."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.kept: list[tuple[object, BadInput, bool]] = []

    def add(self, item: object, problem: BadInput) -> None:
        """Keep a problem at which a strict run stops."""
        self.kept.append((item, problem, True))

    def leave_out(self, item: object, problem: BadInput) -> None:
        """Keep a problem at which no run stops."""
        self.kept.append((item, problem, False))

    def pass_on(self, quarantine: Quarantine, *, but: set[str], root: Path) -> None:
        """Hand over the problems that name nobody of some, by words after the database's root."""
        each = "|".join(map(re.escape, sorted(filter(None, but), reverse=True)))
        named = re.compile(rf"(?<![^\W_])(?:{each})(?![^\W_])")
        for item, problem, stops in self.kept:
            text = unicodedata.normalize("NFC", f"{item} {problem}".replace(str(root), ""))
            if not but or not (named.search(text) or named.search(normalise(text))):
                (quarantine.add if stops else quarantine.leave_out)(item, problem)


def drop_withdrawn(
    candidates: Iterable[Candidate], settings: Settings, name: str
) -> tuple[list[Candidate], set[str]]:
    """The candidates of everybody else, and every name that those who withdrew have.

    Parameters
    ----------
    candidates : of a database
    settings : of the stage `neutrals`
    name : the database's
    """
    kept, called, found = [], set(), set()
    gone = read_withdrawn(settings.withdrawn)
    listed = {spelled: person for person in gone for spelled in spellings(person)}
    for each in candidates:
        people = {Person(name, each.subject_id), Person(name, each.subject_name)} & listed.keys()
        if people:
            called |= {each.image_id, each.source, each.subject_id, each.subject_name}
            found |= {listed[person] for person in people}
        else:
            kept.append(each)
    called |= {subject for database, subject in listed if database == name}
    wrong = {(of, who) for of, who in gone - found if of == name or of not in settings.databases}
    if wrong:  # not by name: a log is no place for it
        log.warning("%s: %d people on it are in no database", settings.withdrawn, len(wrong))
    return kept, called


def withdrawn_digest(file: Path | str, database: str) -> str:
    """Digest of the people of one database on a list; "" where there is none of them.

    A job's parameter: the names themselves would stay in Snakemake's memory.
    """
    subjects = sorted(subject for name, subject in read_withdrawn(file) if name == database)
    return hashlib.sha256("\n".join(subjects).encode()).hexdigest() if subjects else ""
