"""The annotations, apart from the scans, and the table of frames that joins the two.

Whatever the source, these are what later stages read.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.artifacts.gallery import FRAME_COLUMNS
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput

_SCAN_TYPES = dict.fromkeys(
    ("frame_id", "subject", "session", "sequence", "task", "mesh", "texture", "landmarks",
     "expression"),
    "string",
) | {"frame": "int64", "is_apex": "bool", "is_neutral": "bool"}  # fmt: skip
_ANNOTATION_TYPES = {"frame_id": "string", "valence": "float64", "arousal": "float64"}


def write_annotations(annotations: pd.DataFrame, context: RunContext) -> None:
    """Write `annotations.csv`, its quarantine and their manifest (rule `gallery_annotations`).

    Parameters
    ----------
    annotations : frame_id, valence, arousal (NaN where not annotated)
    context : of the run
    """
    folder = context.root / "gallery"
    table, rejected = folder / "annotations.csv", folder / "annotations.quarantine.csv"
    with store.atomic(table) as unfinished:
        annotations.to_csv(
            unfinished, columns=list(_ANNOTATION_TYPES), index=False, lineterminator="\n"
        )
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    store.record(folder / "annotations.manifest.json", [table, rejected], context.provenance())


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
    folder = context.root / "gallery"
    scans = [folder / "scans" / f"{chunk}.csv" for chunk in chunks]
    rejected = [path.with_suffix(".quarantine.csv") for path in scans]
    table, quarantine = folder / "frames.parquet", folder / "quarantine.csv"
    with store.atomic(quarantine) as unfinished:
        _concatenate(unfinished, [*rejected, folder / "annotations.quarantine.csv"])
    frames = _join(scans, folder / "annotations.csv")
    if frames.empty:
        raise BadInput(quarantine, "every scan is in quarantine", "correct what it lists")
    with store.atomic(table) as unfinished:
        frames.to_parquet(unfinished, index=False)
    outside = {} if files_root == context.root else {"files_root": str(files_root.absolute())}
    provenance = context.provenance(settings=outside)
    store.record(folder / "frames.manifest.json", [table, quarantine], provenance)


def _join(scans: Sequence[Path], annotations: Path) -> pd.DataFrame:
    """FRAME_COLUMNS of all chunks, one row per scan; NaN where it is not annotated."""
    table = pd.concat([_read(path, _SCAN_TYPES) for path in scans], ignore_index=True)
    affect = _read(annotations, _ANNOTATION_TYPES)
    joined = table.merge(affect, on="frame_id", how="left", validate="one_to_one")
    return joined[list(FRAME_COLUMNS)]


def _read(path: Path, types: dict[str, str]) -> pd.DataFrame:
    """A table where only an empty cell is missing: a person may be called NA."""
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


def _concatenate(path: Path, tables: Sequence[Path]) -> None:
    rows = pd.concat(
        [pd.read_csv(table, dtype="string", keep_default_na=False) for table in tables],
        ignore_index=True,
    )
    rows.to_csv(path, index=False, lineterminator="\n")
