"""Databases whose file names say what each image shows: one engine, one layout file each.

Photographs, frames of short clips (the layout lists which) and scans, which are registered. A
landmark file of the same name may lie beside each.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from affect4d.database_adapters import Adapter, Source
from affect4d.neutrals.candidates import Candidate, distinct, make_image_id, normalise, short_digest
from affect4d.neutrals.databases.layout import (
    Layout,
    NameMatcher,
    Patterns,
    Rule,
    Values,
    describe_groups,
    fits,
)
from affect4d.neutrals.databases.listing import Listing, check_regular, list_files, suffix_of
from affect4d.neutrals.databases.subjects import Entry, read_subjects, report_unused
from affect4d.neutrals.landmarks import find_landmarks
from affect4d.quarantine import BadInput, as_bad_input


class FolderLayout(Layout):
    """How file names are read.

    Attributes
    ----------
    images : suffixes of the images, clips or scans, in lower case
    landmarks : suffixes of the landmark files beside them, in order of preference
    landmarks_by : who made those
    name : patterns of the path without its suffix; the group `subject` is the person
    neutral : rules of which one must fit a neutral face; null: every image
    expressions : names of expressions, and the rules of which one must fit each
    wanted : groups with the values that are wanted, such as views and lights
    frames : frames of a clip that are tried, counted from 0; empty: images are no clips
    evidence : why an image counts as neutral; `{group}` stands for a group's value
    subject_is_path : every file is a person of its own, named by its path below the root
    image_from : what is seen of a file: itself; or of a scan its texture, where that is the
        photograph that the scanner took, or the scan rendered from the front
    """

    images: list[str]
    landmarks: list[str]
    landmarks_by: Literal["database", "user"] = "user"
    name: Patterns
    neutral: list[Rule] | None
    expressions: dict[str, list[Rule]] = Field({})
    wanted: dict[str, Values] = Field({})
    frames: list[int] = Field([])
    evidence: str
    subject_is_path: bool = False
    image_from: Literal["file", "texture", "rendered"] = "file"


def find_folder(source: Source[FolderLayout]) -> list[Candidate]:
    """Candidates of the images below the root whose names match the layout's patterns."""
    layout = source.layout
    listing = list_files(source.root, source.quarantine)
    entries = read_subjects(source)
    known, matcher = NameMatcher(layout.known), NameMatcher(layout.name)
    names = {
        path: _without_suffix(path)
        for regular in (True, False)
        for path in listing.with_suffix(layout.images, regular=regular)
        if not known.match(path)
    }
    names = dict(sorted(names.items(), key=lambda item: item[0].split("/")))
    image_ids = distinct(names.values(), lambda name: _image_id(source.name, name))
    own = distinct(names.values(), _subject_id) if layout.subject_is_path else {}
    irregular = set(listing.others)
    candidates: list[Candidate] = []
    for path, name in names.items():
        try:
            if path in irregular:
                check_regular(source.root, path)
            match = _match(source, path, matcher)
            entry = entries.get(unicodedata.normalize("NFC", path))
            subject = _subject(match, entry, own=own.get(name), path=name)
            candidates += _candidates(
                source, listing, path, match=match, entry=entry, subject=subject,
                image_id=image_ids[name],
            )  # fmt: skip
        except (BadInput, OSError) as error:
            source.quarantine.add(image_ids[name], as_bad_input(error, source.root / path))
    report_unused(source, entries, {unicodedata.normalize("NFC", path) for path in names})
    return candidates if layout.subject_is_path else list(_without_copies(candidates, source))


def _image_id(database: str, name: str) -> str:
    """With the name's digest where no letter or digit of it can stand in an id."""
    image_id = make_image_id(database, name)
    has_word = any(c.isalnum() for c in image_id[len(database) :])
    return image_id if has_word else f"{database}_{short_digest(name)}"


def _subject_id(name: str) -> str:
    return normalise(name) or f"id_{short_digest(name)}"


def _without_suffix(path: str) -> str:
    """The path without its suffix, in whichever way its accents are encoded."""
    return unicodedata.normalize("NFC", path[: len(path) - len(suffix_of(path))])


def _match(source: Source[FolderLayout], path: str, matcher: NameMatcher) -> re.Match[str]:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BadInput(source.root / path, "its name is not UTF-8", "rename it") from None
    match = matcher.match(_without_suffix(path))
    if match is None:
        patterns = " or ".join(source.layout.name)
        remedy = "rename it, or fix the YAML layout"
        raise BadInput(source.root / path, f"its name does not match {patterns}", remedy)
    return match


def _subject(
    match: re.Match[str], entry: Entry | None, *, own: str | None, path: str
) -> tuple[str, str]:
    """Id and name of the person: as subjects.csv says, or by the path, or by the pattern."""
    if entry is not None and entry.subject_id:
        return entry.subject_id, entry.subject_name
    return (own, path) if own is not None else (_subject_id(match["subject"]), match["subject"])


def _candidates(
    source: Source[FolderLayout],
    listing: Listing,
    path: str,
    *,
    match: re.Match[str],
    entry: Entry | None,
    subject: tuple[str, str],
    image_id: str,
) -> Iterator[Candidate]:
    """One photograph, or the frames of a clip that are tried."""
    layout = source.layout
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    is_neutral, evidence = _neutral(layout, groups, entry)
    landmarks = find_landmarks(listing, path, layout.landmarks, by=layout.landmarks_by)
    for frame in layout.frames or [0]:
        yield Candidate(
            database=source.name,
            subject_id=subject[0],
            subject_name=subject[1],
            image_id=make_image_id(image_id, f"{frame:05d}") if layout.frames else image_id,
            path=source.root / path,
            source=path,
            frame=frame,
            is_neutral=is_neutral,
            evidence=evidence,
            expression=_expression(layout, groups),
            unwanted=_unwanted(layout, groups),
            name=match[0],
            clip=path if layout.frames else "",
            image_from=layout.image_from,
            **landmarks,
        )


def _neutral(layout: FolderLayout, groups: dict[str, str], entry: Entry | None) -> tuple[bool, str]:
    if entry is not None and entry.is_neutral is not None:
        return entry.is_neutral, f"subjects.csv says {'' if entry.is_neutral else 'not '}neutral"
    rules = layout.neutral
    if rules is None or any(fits(rule, groups) for rule in rules):
        return True, layout.evidence.format_map(groups)
    asked = dict.fromkeys(name for rule in rules for name in rule)
    return False, describe_groups(asked, groups) or "nothing says that it is neutral"


def _expression(layout: FolderLayout, groups: dict[str, str]) -> str:
    for name, rules in layout.expressions.items():
        if any(fits(rule, groups) for rule in rules):
            return name
    return groups.get("code", "")


def _unwanted(layout: FolderLayout, groups: dict[str, str]) -> str:
    """Why an image is none of those that are wanted; "" where it is one."""
    for name, values in layout.wanted.items():
        if name in groups and not fits({name: values}, groups):
            return f"{name} {groups[name]} is none of {', '.join(values)}"
    return ""


def _without_copies(
    candidates: list[Candidate], source: Source[FolderLayout]
) -> Iterator[Candidate]:
    """The candidates less second copies, as of folders that were unpacked twice."""
    first: dict[tuple[str, str, int], Candidate] = {}
    for candidate in candidates:
        key = candidate.subject_id, candidate.name.casefold(), candidate.frame
        known = first.setdefault(key, candidate)
        if known is not candidate and _same_content(known, candidate):
            rule, remedy = f"it is a copy of {known.path}", "remove one of the two"
            source.quarantine.add(candidate.image_id, BadInput(candidate.path, rule, remedy))
        else:
            yield candidate


_COMPARED = 4096  # bytes in the middle of two files of one name and one size


def _same_content(one: Candidate, other: Candidate) -> bool:
    """Whether two files have the same size and the same bytes in their middle."""
    contents = []
    for path in (one.path, other.path):
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size // 2 - _COMPARED // 2))
            contents.append((size, file.read(_COMPARED)))
    return contents[0] == contents[1]


ADAPTER = Adapter(FolderLayout, find_folder)
