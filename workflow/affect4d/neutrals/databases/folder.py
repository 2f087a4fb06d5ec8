"""A folder of photographs with a 68-point landmark file beside each."""

import csv
import re

from affect4d.formats.paths import inside
from affect4d.neutrals.candidates import Candidate, identify, normalise
from affect4d.quarantine import BadInput

SUBJECTS = "subjects.csv"


def find_folder(name, root, layout, quarantine):
    """Candidates of the photographs below `root` whose names match the layout's pattern."""
    if not root.is_dir():
        raise BadInput(root, "no such folder", f"check `neutrals.databases.{name}.root`")
    subjects = _read_subjects(root, quarantine)
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in layout.images:
            continue
        source = path.relative_to(root).as_posix()
        image_id = identify(name, source.removesuffix(path.suffix))
        try:
            found.append(_candidate(name, root, source, image_id, subjects, layout))
        except BadInput as problem:
            quarantine.add(image_id, problem)
    return found


def _candidate(name, root, source, image_id, subjects, layout):
    path = inside(root, source)
    match = re.fullmatch(layout.name, path.stem)
    if match is None:
        raise BadInput(
            path, f"its name does not follow {layout.name}", "rename it or mend the layout"
        )
    code = match.groupdict().get("code") or ""
    landmarks_path = _landmarks_beside(path, layout)
    neutral = layout.neutral_codes is None or code in layout.neutral_codes
    return Candidate(
        database=name,
        subject_id=subjects.get(source) or normalise(match["subject"]),
        image_id=image_id,
        path=path,
        source=source,
        frame=0,
        is_neutral=neutral,
        evidence=layout.evidence if neutral else f"expression code {code}",
        landmarks_path=landmarks_path,
        landmarks_source=landmarks_path.relative_to(root).as_posix(),
        expression=code,
    )


def _landmarks_beside(path, layout):
    for suffix in layout.landmarks:
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return beside
    raise BadInput(
        path,
        f"no landmark file ({', '.join(layout.landmarks)}) of the same name beside it",
        "mark its 68 landmarks",
    )


def _read_subjects(root, quarantine):
    """The subject of each photograph that subjects.csv names, by its path below the root."""
    path = root / SUBJECTS
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if not rows or not {"image", "subject"} <= rows[0].keys():
        raise BadInput(path, "lacks the columns image, subject", "add them")
    subjects = {}
    for line, row in enumerate(rows, 2):
        try:
            subjects[_named(root, path, line, row["image"])] = _subject(path, line, row["subject"])
        except BadInput as problem:
            quarantine.add(f"{SUBJECTS}:{line}", problem)
    return subjects


def _named(root, path, line, image):
    try:
        return inside(root, image or "").relative_to(root).as_posix()
    except BadInput as problem:
        raise BadInput(f"{path}:{line}", f"{image!r}: {problem.rule}", problem.remedy) from None


def _subject(path, line, subject):
    name = normalise(subject or "")
    if not name:
        raise BadInput(f"{path}:{line}", f"the subject {subject!r} is empty", "name the person")
    return name
