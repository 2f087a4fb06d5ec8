"""Rows of a build's tables as JSON values, each table compared with its manifest before."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from affect4d.artifacts import gallery, neutrals, quarantine
from affect4d.artifacts.registry import find_table
from affect4d.formats.own_tables import read_csv
from affect4d.provenance.lineage import Build

Record = dict[str, Any]  # of JSON values

_FRAME_COLUMNS = (
    "frame_id", "subject", "sequence", "valence", "arousal", "mesh", "texture", "landmarks",
)  # fmt: skip


def plain(row: Record) -> Record:
    """A table's row as JSON values: null where a value is missing, NumPy's scalars as Python's."""
    return {
        key: None if pd.isna(value) else value.item() if hasattr(value, "item") else value
        for key, value in row.items()
    }


def by_name(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """Values by their names."""
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def required_path(build: Build, name: str) -> Path:
    """Where a listed file lies.

    Raises
    ------
    StoreError
        It is missing, or not what was written.
    """
    path = build.verified_path(name)
    if path is None:
        raise build.missing(name)
    return path


def rows_where(build: Build, table: str, column: str, *, value: Any) -> list[Record]:
    """The rows of a Parquet table in which `column` is `value`; none where it is not there."""
    path = build.verified_path(table)
    if path is None or column not in pq.read_schema(path).names:
        return []
    rows = pd.read_parquet(path, filters=[(column, "==", value)]).to_dict("records")
    return [plain(row) for row in rows]


def frames_of(build: Build, frame_ids: list[str]) -> list[Record]:
    """The gallery's rows of the frames, with their files, in the order of `frame_ids`."""
    if not frame_ids:
        return []
    table = pd.read_parquet(
        required_path(build, gallery.FRAMES.name()),
        columns=list(_FRAME_COLUMNS),
        filters=[("frame_id", "in", frame_ids)],
    )
    rows = table.set_index("frame_id", drop=False).loc[frame_ids].to_dict("records")
    return [plain(row) for row in rows]


def neutral_tables(build: Build, database: str) -> list[pd.DataFrame]:
    """The tables of a database's neutral images: all candidates, then those accepted."""
    candidates = build.verified_path(neutrals.CANDIDATES.name(database=database))
    accepted = build.verified_path(neutrals.ACCEPTED_TABLE.name(database=database))
    tables = [] if candidates is None else [pd.read_parquet(candidates)]
    return tables if accepted is None else [*tables, read_csv(accepted)]


def people_of(table: pd.DataFrame) -> pd.Series:
    """The person of each neutral image of one of the `neutral_tables`."""
    return table["subject" if "subject" in table else "subject_id"].astype(str)


def quarantine_rows(build: Build) -> list[dict[str, str]]:
    """Every row of every quarantine table that a manifest lists, and the table it is in."""
    rows: list[dict[str, str]] = []
    for name in sorted(build.owners):
        declared = find_table(name)
        is_table = declared is not None and declared.columns == quarantine.COLUMNS
        verified = build.verified_path(name) if is_table else None
        if verified is not None:
            table = pd.read_csv(verified, dtype=str, keep_default_na=False)
            rows += [
                {"item": row.pop("item", ""), **row, "table": name}
                for row in table.to_dict("records")
            ]
    return rows


def quarantine_of(build: Build, items: set[str]) -> list[dict[str, str]]:
    """The rows of quarantine tables about any of the items or files."""
    rows = quarantine_rows(build)
    return [row for row in rows if row["item"] in items or row["file"] in items]
