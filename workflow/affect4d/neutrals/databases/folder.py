"""A folder of photographs with a 68-point landmark file beside each."""

import re
from pathlib import Path

from affect4d.formats.paths import inside
from affect4d.formats.tables import read_rows
from affect4d.neutrals.candidates import Candidate, make_image_id, normalise
from affect4d.neutrals.databases.layout import Layout, Pattern
from affect4d.neutrals.databases.registry import Adapter, Source
from affect4d.quarantine import BadInput, Quarantine

SUBJECTS = "subjects.csv"


class FolderLayout(Layout):
    """A folder of photographs; `name` has the groups `subject` and, where coded, `code`."""

    images: list[str]
    landmarks: list[str]
    name: Pattern
    neutral_codes: list[str] | None
    evidence: str


def find_folder(source: Source[FolderLayout]) -> list[Candidate]:
    """Candidates of the photographs below the root whose names match the layout's pattern."""
    subjects = _read_subjects(source.root, source.quarantine)
    candidates = []
    for path in sorted(source.root.rglob("*")):
        if path.suffix.lower() not in source.layout.images:
            continue
        relative = path.relative_to(source.root).as_posix()
        image_id = make_image_id(source.name, relative.removesuffix(path.suffix))
        try:
            candidates.append(
                _candidate(source, relative, image_id, subject=subjects.get(relative))
            )
        except BadInput as problem:
            source.quarantine.add(image_id, problem)
    return candidates


def _candidate(
    source: Source[FolderLayout], relative: str, image_id: str, *, subject: str | None
) -> Candidate:
    layout, path = source.layout, inside(source.root, relative)
    match = re.fullmatch(layout.name, path.stem)
    if match is None:
        raise BadInput(
            path, f"its name does not match {layout.name}", "rename it, or fix the YAML layout"
        )
    code = match.groupdict().get("code") or ""
    landmarks_path = _landmarks_beside(path, layout)
    neutral = layout.neutral_codes is None or code in layout.neutral_codes
    return Candidate(
        database=source.name,
        subject_id=subject or normalise(match["subject"]),
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
    for suffix in layout.landmarks:
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return beside
    raise BadInput(
        path,
        f"no landmark file ({', '.join(layout.landmarks)}) of the same name beside it",
        "annotate its 68 landmarks",
    )


def _read_subjects(root: Path, quarantine: Quarantine) -> dict[str, str]:
    """The subject of each photograph that subjects.csv names, by its path below the root."""
    path = root / SUBJECTS
    if not path.is_file():
        return {}
    subjects = {}
    for number, row in read_rows(path, ("image", "subject")):
        try:
            line = f"{path}:{number}"
            subjects[_image(root, line, row["image"])] = _subject(line, row["subject"])
        except BadInput as problem:
            quarantine.add(f"{SUBJECTS}:{number}", problem)
    return subjects


def _image(root: Path, line: str, image: str) -> str:
    try:
        return inside(root, image).relative_to(root).as_posix()
    except BadInput as problem:
        raise BadInput(line, f"{image!r}: {problem.rule}", problem.remedy) from None


def _subject(line: str, subject: str) -> str:
    name = normalise(subject)
    if not name:
        raise BadInput(line, f"the subject {subject!r} is empty", "name the person")
    return name


ADAPTER = Adapter(FolderLayout, find_folder)
