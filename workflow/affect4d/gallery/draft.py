"""A first table of scans from a tree of meshes: what folders and names say, for the user to check.

Folders are subject, session and sequence, from the outside in; of a name's numbers, the last one
that differs between the files of a folder counts the frames. Where a tree is laid out otherwise, a
pattern says how.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from affect4d.gallery.tree import Scan, find_scans
from affect4d.gallery.user_table import TABLE_COLUMNS
from affect4d.quarantine import BadInput

_KEYS = ("subject", "session", "sequence", "expression")
_PLACEHOLDER = re.compile(r"\{(\w*)\}|(\*)")
_NUMBER = re.compile(r"([0-9]+)")
_SIGNS = "._+-"
_MAX_NAME = 90  # characters of a name: below the 100 that a table of scans may have
_MAX_FRAME = 9  # digits of a frame: as many as a table of scans may have

Names = dict[str, str]  # subject, session, sequence, expression, frame -> text


@dataclass
class Draft:
    """The rows of a first table, by TABLE_COLUMNS, and what its user should know about them.

    Attributes
    ----------
    rows : one per scan
    gaps : {sequence: frames that seem to be missing inside it}
    renumbered : sequences whose frames are counted in the order of their names
    ignored : (path, reason) of the meshes that are left out
    unreadable : (path, reason) of those in the table whose head, scene or material is refused
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    gaps: dict[str, int] = field(default_factory=dict)
    renumbered: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def summary(self) -> list[str]:
        """What was found and what to do next, as lines of text."""
        sequences, subjects = ({row[key] for row in self.rows} for key in ("sequence", "subject"))
        missing = {
            name: [row["mesh"] for row in self.rows if not row[name]]
            for name in ("landmarks", "texture")
        }
        lines = [
            f"{len(subjects)} subjects, {len(sequences)} sequences, {len(self.rows)} frames",
            _such_as(missing["landmarks"], "frames without landmarks, which will be quarantined"),
            _such_as(missing["texture"], "frames without a texture"),
            _such_as([f"{name}: {n}" for name, n in self.gaps.items()], "sequences lack frames"),
            _such_as(self.renumbered, "sequences are numbered by the order of their names"),
            _such_as([f"{path}: {why}" for path, why in self.ignored], "meshes are left out"),
            _such_as(
                [f"{path}: {why}" for path, why in self.unreadable],
                "meshes will be quarantined: they cannot be read",
            ),
            "check: is_neutral marks the first frame of each sequence, which is a guess",
            "fill in: valence and arousal in [-1, 1], or expression and is_apex of posed sequences",
            "then: set gallery.source to manifest, with root and table (docs/own-data.md)",
        ]
        return [line for line in lines if line]


def _such_as(items: Sequence[str], what: str) -> str:
    return f"{len(items)} {what} (such as {items[0]})" if items else ""


def draft_table(root: str | Path, pattern: str | None = None) -> Draft:
    """The Draft of a folder's scans.

    Parameters
    ----------
    root : folder
    pattern : how paths under the folder read without their suffix: text with {subject}, {session},
        {sequence}, {expression} and {frame}, none of which goes beyond its level, and `*` for
        anything else in a level, as in "{subject}/{session}/{sequence}/*_{frame}".

    Raises
    ------
    BadInput
        There is no such folder, no mesh in it, or the pattern cannot be used or fits no mesh.
    """
    scans, ignored = find_scans(root)
    draft = Draft(ignored=ignored)
    if pattern:
        named = _by_pattern(scans, pattern, ignored)
    else:
        named = _by_level(scans, Path(root).resolve().name)
    sequences = defaultdict(list)
    for scan, texts in named:
        key = tuple(texts.get(name, "") for name in _KEYS)
        sequences[key].append((texts.get("frame", ""), scan))
    names = {key: _FileNames() for key in _KEYS}
    for key in sorted(sequences, key=lambda key: [_natural(text) for text in key]):
        _add_sequence(draft, _row(key, names), sequences[key])
    return draft


def write_draft(draft: Draft, path: Path) -> None:
    """Write the rows of a Draft as CSV.

    Raises
    ------
    BadInput
        The file exists, it is no .csv, or it cannot be written.
    """
    if Path(path).suffix.lower() != ".csv":
        raise BadInput(path, "a draft is written as CSV", "give it a name that ends in .csv")
    try:
        with Path(path).open("x", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, TABLE_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(draft.rows)
    except FileExistsError:
        raise BadInput(path, "the file exists", "name another, or move it away") from None
    except OSError as error:
        raise BadInput(path, f"cannot be written ({error.strerror})", "name another") from None


class _FileNames:
    """Names that are safe as file names, one per key, all different."""

    def __init__(self) -> None:
        self._by_key: dict[object, str] = {}
        self._used = {"nan"}  # which tables read as a missing cell

    def make(self, key: object, text: str) -> str:
        if key not in self._by_key:
            plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip(_SIGNS)[:_MAX_NAME] or "unnamed"
            name, number = plain, 1
            while name.lower() in self._used:  # some file systems do not distinguish a from A
                number += 1
                name = f"{plain}-{number}"
            self._by_key[key] = name
            self._used.add(name.lower())
        return self._by_key[key]


def _row(key: tuple[str, ...], names: dict[str, _FileNames]) -> dict[str, str]:
    """What all rows of a sequence share."""
    subject, session, sequence, expression = key
    subject = names["subject"].make(subject, subject)
    session = names["session"].make(session, session or "1")
    if expression:
        expression = names["expression"].make(expression, expression)
    if not sequence.startswith(f"{subject}_"):
        sequence = "_".join(part for part in (subject, session, sequence, expression) if part)
    row = dict.fromkeys(TABLE_COLUMNS, "")
    row |= {
        "subject": subject,
        "session": session,
        "sequence": names["sequence"].make(key, sequence),
    }
    return row | {"expression": expression}


def _add_sequence(draft: Draft, shared: dict[str, str], frames: list[tuple[str, Scan]]) -> None:
    """Add a sequence's rows; `frames` are (number as its name has it, Scan)."""
    name = shared["sequence"]
    texts = [text for text, _ in frames]
    are_numbers = all(texts) and max(map(len, texts)) <= _MAX_FRAME
    if are_numbers and len({int(text) for text in texts}) == len(texts):
        numbered = sorted(((int(text), scan) for text, scan in frames), key=lambda pair: pair[0])
    else:
        numbered = list(enumerate(sorted((s for _, s in frames), key=lambda s: _natural(s.stem))))
        if len(frames) > 1:
            draft.renumbered.append(name)
    missing = _count_missing([number for number, _ in numbered])
    if missing:
        draft.gaps[name] = missing
    neutral = next((number for number, scan in numbered if scan.landmarks), numbered[0][0])
    for number, scan in numbered:
        files = {"mesh": scan.mesh, "texture": scan.texture, "landmarks": scan.landmarks}
        flags = {"is_apex": "false", "is_neutral": "true" if number == neutral else "false"}
        if scan.problem:
            draft.unreadable.append((scan.mesh, scan.problem))
        draft.rows.append(shared | files | flags | {"frame": str(number)})


def _count_missing(numbers: list[int]) -> int:
    """How many frames seem to be missing if the commonest step is the regular one."""
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps:
        return 0
    counts = Counter(steps)
    regular = min(step for step, count in counts.items() if count == max(counts.values()))
    return sum(-(-step // regular) - 1 for step in steps)


def _natural(text: str) -> list[str | int]:
    """A key that sorts numbers inside texts by their value."""
    parts = _NUMBER.split(text)
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)]


def _by_level(scans: list[Scan], root_name: str) -> list[tuple[Scan, Names]]:
    """(scan, {key: text}) by folders and numbers."""
    folders = defaultdict(list)
    for scan in scans:
        folders[PurePosixPath(scan.stem).parent].append(scan)
    named = []
    for folder, members in folders.items():
        labelled = _labelled(members)
        labels = {label for _, label, _ in labelled}
        for scan, label, frame in labelled:
            levels = [*folder.parts]
            if len(levels) < 2 or len(labels) > 1:
                levels.append(label)
            named.append((scan, {"frame": frame, **_levels(levels, folder.parts, root_name)}))
    return named


def _levels(levels: list[str], folders: tuple[str, ...], root_name: str) -> Names:
    """What folders and the label behind them mean."""
    if not folders:
        subject = re.split(r"[_.\- ]", levels[0])[0] or root_name
        return {"subject": subject, "sequence": levels[0]}
    if len(folders) < 3:
        return {"subject": folders[0], "sequence": "_".join(levels[1:])}
    return {"subject": folders[0], "session": folders[1], "sequence": "_".join(levels[2:])}


def _labelled(scans: list[Scan]) -> list[tuple[Scan, str, str]]:
    """(scan, label, number of the frame or "") of one folder's scans.

    Names that differ in numbers only belong together; the last number that differs is the frame's.
    """
    groups = defaultdict(list)
    for scan in scans:
        parts = _NUMBER.split(PurePosixPath(scan.stem).name)
        groups[tuple(parts[::2])].append((scan, parts))
    labelled = []
    for members in groups.values():
        count = len(members[0][1])
        varying = [k for k in range(1, count, 2) if len({parts[k] for _, parts in members}) > 1]
        position = varying[-1] if varying else count - 2
        for scan, parts in members:
            frame = parts[position] if count > 1 else ""
            others = [*parts[:position], *parts[position + 1 :]] if frame else parts
            label = re.sub(r"([_.\- ])[_.\- ]+", r"\1", "".join(others)).strip("_.- ")
            labelled.append((scan, label, frame))
    return labelled


def _by_pattern(
    scans: list[Scan], pattern: str, ignored: list[tuple[str, str]]
) -> list[tuple[Scan, Names]]:
    """(scan, {key: text}) by a pattern; what it does not fit is ignored."""
    expression = _compile(pattern)
    named = []
    for scan in scans:
        match = expression.fullmatch(scan.stem)
        if match:
            named.append((scan, match.groupdict()))
        else:
            ignored.append((scan.mesh, "the pattern does not fit"))
    if not named:
        raise BadInput(pattern, "the pattern fits no mesh", f"a path is {scans[0].stem}")
    return named


def _compile(pattern: str) -> re.Pattern[str]:
    known: set[str] = set()

    def translate(match: re.Match[str]) -> str:
        name = match[1]
        if match[2]:
            return "[^/]*?"
        if name not in (*_KEYS, "frame"):
            raise BadInput(
                pattern, f"unknown {{{name}}}", f"use {', '.join((*_KEYS, 'frame'))} and *"
            )
        if name in known:
            return f"(?P={name})"
        known.add(name)
        return f"(?P<{name}>{'[0-9]+' if name == 'frame' else '[^/]+?'})"

    parts, end = [], 0
    for match in _PLACEHOLDER.finditer(pattern):
        parts += [re.escape(pattern[end : match.start()]), translate(match)]
        end = match.end()
    if "subject" not in known:
        raise BadInput(
            pattern, "the pattern has no {subject}", "say which part of the path is the person"
        )
    return re.compile("".join(parts) + re.escape(pattern[end:]))
