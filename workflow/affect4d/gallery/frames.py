"""The annotations, apart from the scans, and the table of frames that joins the two.

Whatever the source, these are what later stages read.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.artifacts.declaration import Table
from affect4d.artifacts.gallery import (
    ANNOTATED,
    ANNOTATIONS,
    ANNOTATIONS_QUARANTINE,
    FRAME_COLUMNS,
    FRAMES,
    GALLERY,
    QUARANTINE,
    SCANS,
    SCANS_QUARANTINE,
)
from affect4d.artifacts.reading import open_file
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput


def write_annotations(annotations: pd.DataFrame, context: RunContext) -> None:
    """Write `annotations.csv`, its quarantine and their manifest (rule `gallery_annotations`).

    Parameters
    ----------
    annotations : frame_id, valence, arousal (NaN where not annotated)
    context : of the run
    """
    table, rejected = (file.path(context.root) for file in (ANNOTATIONS, ANNOTATIONS_QUARANTINE))
    with store.atomic(table) as unfinished:
        annotations.to_csv(unfinished, columns=ANNOTATIONS.names, index=False, lineterminator="\n")
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    store.record(ANNOTATED.manifest(context.root), [table, rejected], context.provenance())


def write_frames(chunks: Sequence[str], files_root: Path, context: RunContext) -> None:
    """Join all chunks' scans with the annotations (rule `gallery_frames`).

    Writes `frames.parquet` and `quarantine.csv`.

    Parameters
    ----------
    chunks : in the order in which they enter the table
    files_root : the folder that the scans' paths are relative to
    context : of the run

    Raises
    ------
    BadInput
        No frame is left.
    """
    root = context.root
    rejected = [SCANS_QUARANTINE.path(root, chunk=chunk) for chunk in chunks]
    table, quarantine = FRAMES.path(root), QUARANTINE.path(root)
    with store.atomic(quarantine) as unfinished:
        _concatenate(unfinished, [*rejected, ANNOTATIONS_QUARANTINE.path(root)])
    scans = [SCANS.path(root, chunk=chunk) for chunk in chunks]
    frames = _join(scans, ANNOTATIONS.path(root))
    if frames.empty:
        raise BadInput(quarantine, "every scan is in quarantine", "correct what it lists")
    with store.atomic(table) as unfinished:
        frames.to_parquet(unfinished, index=False)
    outside = {} if files_root == root else {"files_root": str(files_root.absolute())}
    provenance = context.provenance(settings=outside)
    store.record(GALLERY.manifest(root), [table, quarantine], provenance)


def _join(scans: Sequence[Path], annotations: Path) -> pd.DataFrame:
    """FRAME_COLUMNS of all chunks, one row per scan; NaN where it is not annotated."""
    table = pd.concat([_read(path, SCANS) for path in scans], ignore_index=True)
    affect = _read(annotations, ANNOTATIONS)
    joined = table.merge(affect, on="frame_id", how="left", validate="one_to_one")
    return joined[list(FRAME_COLUMNS)]


def _read(path: Path, table: Table) -> pd.DataFrame:
    """A table where only an empty cell is missing: a person may be called NA."""
    types = {column.name: column.type for column in table.columns}
    return pd.read_csv(open_file(path), dtype=types, keep_default_na=False, na_values=[""])


def _concatenate(path: Path, tables: Sequence[Path]) -> None:
    rows = pd.concat(
        [pd.read_csv(open_file(table), dtype="string", keep_default_na=False) for table in tables],
        ignore_index=True,
    )
    rows.to_csv(path, index=False, lineterminator="\n")
