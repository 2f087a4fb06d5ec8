"""Settings of the gallery room, and what one job takes (known when the workflow is parsed)."""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from affect4d.config.base import Section, field
from affect4d.formats.quarantine import BadInput

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
SCAN_COLUMNS = (
    "frame_id", "subject", "session", "sequence", "task", "frame", "mesh", "texture", "landmarks",
    "expression", "is_apex", "is_neutral",
)  # fmt: skip
FILE_COLUMNS = ("mesh", "texture", "landmarks")
OPTIONAL_COLUMNS = ("frame_id", "task")
TABLE_COLUMNS = (
    *(name for name in SCAN_COLUMNS if name not in OPTIONAL_COLUMNS), "valence", "arousal",
)  # fmt: skip


class Synthetic(Section):
    """The embedded gallery: synthetic people, scanned synthetically."""

    subjects: int = field(24, "people", "Synthetic people.", ge=2, le=999)
    spontaneous: int = field(3, "sequences", "Spontaneous sequences a person.", ge=1, le=9)
    spontaneous_frames: int = field(24, "frames", "Frames of a spontaneous sequence.", ge=8)
    posed_frames: int = field(6, "frames", "Frames of a posed sequence.", ge=6)
    frame_rate: float = field(3.0, "Hz", "Frames a second.", gt=0)
    scan_vertices: int = field(
        16000, "vertices", "About how many vertices a raw scan has.", ge=2000
    )
    noise: float = field(0.12, "mm", "Scanner noise a coordinate.", ge=0)
    landmark_noise: float = field(1.0, "mm", "Noise of a landmark a coordinate.", ge=0)
    gross_share: float = field(
        0.02, "1", "Share of frames whose landmarks are grossly wrong.", ge=0, lt=0.5
    )
    annotation_noise: float = field(
        0.12, "1", "Slow valence-arousal error of the annotators, standard deviation.", ge=0
    )
    portraits: int = field(
        13, "people", "People rendered as photographs in AFEW-VA's layout.", ge=1
    )
    subjects_per_job: int = field(4, "people", "People one job scans and registers.", ge=1)


class Manifest(Section):
    """A database of scans on disk."""

    root: str | None = field(None, "1", "Folder that holds every file the table names.")
    table: str | None = field(None, "1", "CSV or Parquet, one row a scan (docs/own-data.md).")
    sequences_per_job: int = field(8, "sequences", "Sequences one job registers.", ge=1)


class Settings(Section):
    """Where scans and their annotations come from."""

    source: Literal["synthetic", "manifest"] = field(
        "synthetic", "1", "The embedded gallery, or a table of scans on disk."
    )
    synthetic: Synthetic = field(Synthetic, "1", "The embedded gallery.")
    manifest: Manifest = field(Manifest, "1", "A database of scans on disk.")

    @model_validator(mode="after")
    def _table_where_needed(self) -> "Settings":
        if self.source == "manifest" and not (self.manifest.root and self.manifest.table):
            raise ValueError("source 'manifest' needs manifest.root and manifest.table")
        return self


def subjects(settings: Settings) -> list[str]:
    """Names of the synthetic people."""
    return [f"s{number:03d}" for number in range(1, settings.synthetic.subjects + 1)]


def chunks(settings: Settings) -> dict[str, list[str]]:
    """Jobs of scanning and registration: chunk -> subjects (synthetic) or sequences (manifest).

    A job keeps its members while others are added behind it.

    Raises
    ------
    BadInput
        The table as a whole cannot be used (see `table_rows`).
    """
    if settings.source == "synthetic":
        return _dealt(subjects(settings), settings.synthetic.subjects_per_job)
    return {chunk: list(_by_sequence(rows)) for chunk, rows in scan_rows(settings).items()}


def _dealt(names: list[str], size: int) -> dict[str, list[str]]:
    return {
        f"c{start // size:04d}": names[start : start + size] for start in range(0, len(names), size)
    }


def files_root(settings: Settings, results: str | Path) -> Path:
    """The folder that the scans' paths are relative to, in every table of the build."""
    return Path(results if settings.source == "synthetic" else str(settings.manifest.root))


def scan_rows(settings: Settings) -> dict[str, list[dict[str, str]]]:
    """The rows of the user's table by chunk, with `frame_id` and `task` filled in.

    `repeated` is "true" where an earlier row of the table has the same frame_id, else empty.
    A sequence is posed if it has an expression and no annotation, unless `task` says otherwise.

    Raises
    ------
    BadInput
        The table as a whole cannot be used (see `table_rows`).
    """
    rows = table_rows(settings)
    known: set[str] = set()
    for row in rows:
        number = re.sub(r"\.0*$", "", row["frame"]).zfill(5)
        row["frame_id"] = row.get("frame_id") or f"{row['sequence']}/{number}"
        row["repeated"] = "true" if row["frame_id"] in known else ""
        known.add(row["frame_id"])
    sequences = _by_sequence(rows)
    for members in sequences.values():
        annotated = any(row["valence"] or row["arousal"] for row in members)
        posed = any(row["expression"] for row in members) and not annotated
        for row in members:
            row["task"] = row.get("task") or ("posed" if posed else "spontaneous")
    dealt = _dealt(list(sequences), settings.manifest.sequences_per_job)
    return {
        chunk: [row for name in members for row in sequences[name]]
        for chunk, members in dealt.items()
    }


def _by_sequence(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    sequences: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        sequences.setdefault(row["sequence"], []).append(row)
    return sequences


def scans_digest(rows: list[dict[str, str]], root: Path) -> str:
    """Digest of what a chunk's scans depend on: its rows without annotations, and which files lack.

    Parameters
    ----------
    rows : of `scan_rows`
    root : folder of the files that they name
    """
    kept = [
        [row[column] for column in (*SCAN_COLUMNS, "repeated")] + missing_files(row, root)
        for row in rows
    ]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]


def scan_files(rows: list[dict[str, str]], root: Path) -> list[Path]:
    """Every file that the rows name."""
    return [root / row[name] for row in rows for name in FILE_COLUMNS if row[name]]


def missing_files(row: dict[str, str], root: Path) -> list[str]:
    """The columns that name a file which is not there."""
    return [name for name in FILE_COLUMNS if row[name] and not _is_file(root / row[name])]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def table_rows(settings: Settings) -> list[dict[str, str]]:
    """The user's table as rows of text.

    Raises
    ------
    BadInput
        The table cannot be read, lacks columns or has no row, or the folder of its files is absent.
    """
    path, root = Path(str(settings.manifest.table)), Path(str(settings.manifest.root))
    if not root.is_dir():
        raise BadInput(root, "there is no such folder", "correct gallery.manifest.root")
    try:
        rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(
            path, f"the table cannot be read ({error})", "correct gallery.manifest.table"
        ) from None
    if not rows:
        raise BadInput(path, "the table has no row", "list the scans, one row each")
    missing = [name for name in TABLE_COLUMNS if name not in rows[0]]
    if missing:
        raise BadInput(
            path, f"the table has no column {', '.join(missing)}", "see docs/own-data.md"
        )
    return rows


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        return [
            {str(key): _text(value) for key, value in row.items()} for row in csv.DictReader(handle)
        ]


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path).to_pylist()
    return [{key: _text(value) for key, value in row.items()} for row in table]


def _text(value: object) -> str:
    """A cell as text, empty where it is missing (None, or NaN as numeric tools write it)."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() == "nan" else text
