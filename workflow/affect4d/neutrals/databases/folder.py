"""A folder of photographs with a 68-point landmark file beside each."""

import os
import re
import unicodedata
from pathlib import Path

from affect4d.formats.paths import find_beside, inside
from affect4d.formats.tables import read_rows
from affect4d.neutrals.candidates import Candidate, distinct, make_image_id, normalise, short_digest
from affect4d.neutrals.databases.layout import Layout, Pattern
from affect4d.neutrals.databases.registry import Adapter, Source
from affect4d.quarantine import BadInput, as_bad_input
from affect4d.system_files import is_hidden

SUBJECTS = "subjects.csv"


class FolderLayout(Layout):
    """A folder of photographs; `name` has the groups `subject` and, where coded, `code`.

    With `subject_is_path`, every file is a person of its own, named by its path below the root.
    """

    images: list[str]
    landmarks: list[str]
    name: Pattern
    neutral_codes: list[str] | None
    evidence: str
    subject_is_path: bool = False


def find_folder(source: Source[FolderLayout]) -> list[Candidate]:
    """Candidates of the photographs below the root whose names match the layout's pattern."""
    subjects = _read_subjects(source)
    suffixes = source.layout.images
    paths = [p for p in sorted(source.root.rglob("*")) if p.suffix.lower() in suffixes]
    paths = [p for p in paths if not is_hidden(p.relative_to(source.root))]
    names = {path: _name(path, source.root) for path in paths}
    image_ids = distinct(names.values(), lambda name: _image_id(source.name, name))
    own = distinct(names.values(), _subject_id) if source.layout.subject_is_path else {}
    candidates = []
    for path, name in names.items():
        relative, image_id = path.relative_to(source.root).as_posix(), image_ids[name]
        subject = subjects.get(unicodedata.normalize("NFC", relative))
        if subject is None and name in own:
            subject = own[name], name
        try:
            candidates.append(_candidate(source, relative, image_id, subject=subject))
        except (BadInput, OSError) as error:
            source.quarantine.add(image_id, as_bad_input(error, path))
    return candidates


def _image_id(database: str, name: str) -> str:
    """With the name's digest where no letter or digit of it can stand in an id."""
    image_id = make_image_id(database, name)
    has_word = any(c.isalnum() for c in image_id[len(database) :])
    return image_id if has_word else f"{database}_{short_digest(name)}"


def _subject_id(name: str) -> str:
    return normalise(name) or f"id_{short_digest(name)}"


def _name(path: Path, root: Path) -> str:
    """The path below the root without its suffix, in whichever way its accents are encoded."""
    return unicodedata.normalize("NFC", path.relative_to(root).with_suffix("").as_posix())


def _candidate(
    source: Source[FolderLayout], relative: str, image_id: str, *, subject: tuple[str, str] | None
) -> Candidate:
    """One photograph; `subject` is the person's id and name, where its file's name is not."""
    layout, path = source.layout, inside(source.root, relative)
    if not path.is_file():
        raise BadInput(path, "it is no regular file", "give the file itself")
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise BadInput(path, "its name is not UTF-8", "rename it") from None
    match = re.fullmatch(layout.name, path.stem)
    if match is None:
        raise BadInput(
            path, f"its name does not match {layout.name}", "rename it, or fix the YAML layout"
        )
    code = match.groupdict().get("code") or ""
    landmarks_path = _landmarks_beside(path, layout)
    named = match["subject"]
    subject_id, subject_name = subject or (_subject_id(named), named)
    neutral = layout.neutral_codes is None or code in layout.neutral_codes
    return Candidate(
        database=source.name,
        subject_id=subject_id,
        subject_name=subject_name,
        image_id=image_id,
        path=path,
        source=relative,
        frame=0,
        is_neutral=neutral,
        evidence=layout.evidence if neutral else f"expression code {code}",
        landmarks_path=landmarks_path,
        landmarks_source=landmarks_path.relative_to(source.root).as_posix(),
        expression=code,
    )


def _landmarks_beside(path: Path, layout: FolderLayout) -> Path:
    found = find_beside(path, layout.landmarks)
    if found is not None:
        return found
    raise BadInput(
        path,
        f"no landmark file ({', '.join(layout.landmarks)}) of the same name beside it",
        "annotate its 68 landmarks",
    )


def _read_subjects(source: Source[FolderLayout]) -> dict[str, tuple[str, str]]:
    """Id and name of each photograph's subject in subjects.csv, by its path below the root."""
    root, path = source.root, source.root / SUBJECTS
    if not os.path.lexists(path):
        return {}
    subjects = {}
    most = source.limits.side_file_bytes
    for number, row in read_rows(path, ("image", "subject"), max_bytes=most):
        try:
            line, name = f"{path}:{number}", row["subject"]
            subjects[_image(root, line, row["image"])] = _subject(line, name), name.strip()
        except BadInput as problem:
            source.quarantine.add(f"{SUBJECTS}:{number}", problem)
    return subjects


def _image(root: Path, line: str, image: str) -> str:
    try:
        relative = inside(root, image).relative_to(root).as_posix()
        return unicodedata.normalize("NFC", relative)
    except BadInput as problem:
        raise BadInput(line, f"{image!r}: {problem.rule}", problem.remedy) from None


def _subject(line: str, subject: str) -> str:
    name = normalise(subject)
    if not name:
        raise BadInput(line, f"the subject {subject!r} is empty", "name the person")
    return name


ADAPTER = Adapter(FolderLayout, find_folder)
