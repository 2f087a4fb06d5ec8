"""Databases with a table of images: AffectNet, RAF-DB, and tables of one's own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from affect4d.database_adapters import Adapter, Source
from affect4d.formats.landmarks import check_landmarks
from affect4d.formats.tables import read_rows
from affect4d.neutrals.candidates import Candidate, make_image_id, normalise, short_digest
from affect4d.neutrals.databases.layout import Layout, NameMatcher, Patterns
from affect4d.neutrals.databases.listing import Listing, list_files, suffix_of
from affect4d.neutrals.landmarks import DATABASE, find_landmarks
from affect4d.quarantine import BadInput

_SUFFIXES = [".csv", ".txt"]


class TableLayout(Layout):
    """How the table is read; `None` stands for a column that it does not have.

    Attributes
    ----------
    tables : patterns of the tables' paths, without .csv or .txt
    delimiter : between cells
    header : whether the first line names the columns
    columns : their names, without a header
    image : column of the image, a path or a name
    images : where images are found, by the last levels of their path, in order of preference;
        `{name}`, `{stem}` and `{suffix}` stand for those of the cell
    subject : column of the person; None: every image is a person of its own
    expression : column of the expression
    neutral : its values for a neutral face; empty: valence and arousal decide
    valence, arousal : columns
    low, high : least and greatest value of valence and arousal
    unannotated : value of valence and arousal that were not annotated
    tolerance : largest valence and arousal, without sign, of a neutral face
    landmarks : column of 68 points, their coordinates separated by `;` or blanks
    first_pixel : number of the first pixel in landmarks
    evidence : why an image counts as neutral; `{expression}` stands for its expression
    """

    tables: Patterns
    delimiter: str
    header: bool
    columns: list[str] | None = None
    image: str
    images: list[str]
    subject: str | None = None
    expression: str | None = None
    neutral: list[str]
    valence: str | None = None
    arousal: str | None = None
    low: float = -1
    high: float = 1
    unannotated: float | None = None
    tolerance: float = 0
    landmarks: str | None = None
    first_pixel: int = 0
    evidence: str


def find_table_images(source: Source[TableLayout]) -> list[Candidate]:
    """Candidates of every row of the tables."""
    listing = list_files(source.root, source.quarantine)
    matcher = NameMatcher(source.layout.tables)
    tables = [
        name
        for name in listing.with_suffix(_SUFFIXES)
        if matcher.match(name[: -len(suffix_of(name))])
    ]
    if not tables:
        rule = f"no table {' or '.join(source.layout.tables)} with {' or '.join(_SUFFIXES)}"
        raise BadInput(source.root, rule, "point `root` at the folder that holds it")
    candidates = []
    for name in tables:
        for number, row in _rows(source, source.root / name):
            try:
                candidates.append(_candidate(source, listing, row))
            except BadInput as problem:
                source.quarantine.add(f"{name}:{number}", problem)
    return candidates


def _rows(source: Source[TableLayout], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    layout = source.layout
    named = (layout.image, layout.subject, layout.expression, layout.valence, layout.arousal)
    return read_rows(
        path,
        [name for name in (*named, layout.landmarks) if name is not None],
        names=None if layout.header else layout.columns,
        delimiter=layout.delimiter,
        max_bytes=source.limits.side_file_bytes,
    )


def _candidate(source: Source[TableLayout], listing: Listing, row: dict[str, str]) -> Candidate:
    layout, root = source.layout, source.root
    image = _find_image(source, listing, row[layout.image].strip())
    expression = row[layout.expression].strip() if layout.expression else ""
    valence, arousal = (
        _plane(layout, row, axis, image=root / image) for axis in (layout.valence, layout.arousal)
    )
    is_neutral = expression in layout.neutral
    if not layout.neutral:
        is_neutral = max(abs(valence), abs(arousal)) <= layout.tolerance  # False for NaN
    stated = layout.evidence.format(expression=expression)
    subject = row[layout.subject].strip() if layout.subject else image
    if layout.landmarks:
        landmarks: dict[str, Any] = {
            "landmarks": _landmarks(row[layout.landmarks], root / image) - layout.first_pixel,
            "landmarks_path": None,
            "landmarks_by": DATABASE,
        }
    else:
        landmarks = find_landmarks(listing, image, [".pts", ".ljson"], by="user")
    return Candidate(
        database=source.name,
        subject_id=normalise(subject) if layout.subject else f"id_{short_digest(image)}",
        subject_name=subject,
        image_id=make_image_id(source.name, image[: -len(suffix_of(image))]),
        path=root / image,
        source=image,
        frame=0,
        is_neutral=is_neutral,
        evidence=stated if is_neutral else f"not neutral by {stated}",
        valence=valence,
        arousal=arousal,
        expression=expression,
        **landmarks,
    )


def _find_image(source: Source[TableLayout], listing: Listing, cell: str) -> str:
    """The image that a cell names, by the end of its path."""
    if not cell or ".." in cell.replace("\\", "/").split("/"):
        raise BadInput(source.root, f"the image {cell!r} is no path", "correct the row")
    cell = cell.replace("\\", "/").strip("/")
    suffix = suffix_of(cell)
    parts = {"name": cell, "stem": cell[: len(cell) - len(suffix)], "suffix": suffix}
    for pattern in source.layout.images:
        tail = re.sub(r"\{(name|stem|suffix)\}", lambda found: parts[found[1]], pattern)
        found = listing.ending_with(tail)
        if len(found) > 1:
            rule = f"two files end with {tail}, {found[0]} and {found[1]}"
            raise BadInput(source.root, rule, "remove one of the two, or move it elsewhere")
        if found:
            return found[0]
    raise BadInput(source.root / cell, "there is no such image", "copy it, or remove its row")


def _plane(layout: TableLayout, row: dict[str, str], column: str | None, *, image: Path) -> float:
    """Valence or arousal in [-1, 1], NaN where it is not annotated."""
    if column is None:
        return float("nan")
    try:
        value = float(row[column])
    except ValueError:
        raise BadInput(image, f"{column} is {row[column]!r}", "give a number") from None
    if value == layout.unannotated:
        return float("nan")
    if not layout.low <= value <= layout.high:
        rule = f"{column} {value:g} lies outside [{layout.low:g}, {layout.high:g}]"
        raise BadInput(image, rule, "annotate it again; values are never clipped")
    return 2 * (value - layout.low) / (layout.high - layout.low) - 1


def _landmarks(cell: str, image: Path) -> Any:
    try:
        points = np.array([float(text) for text in cell.replace(";", " ").split()])
    except ValueError:
        raise BadInput(image, "landmarks are not numbers", "correct the row") from None
    if len(points) % 2:
        raise BadInput(image, "landmarks are no pairs", "correct the row")
    return check_landmarks(points.reshape(-1, 2), image, dimension=2)


ADAPTER = Adapter(TableLayout, find_table_images)
