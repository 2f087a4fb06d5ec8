"""The gallery's tables: annotations apart from scans, and the frames that join the two.

Whatever the source, these are what later rooms read.
"""

import pandas as pd

from affect4d import store
from affect4d.artifacts.gallery import FRAME_COLUMNS
from affect4d.quarantine import BadInput

_SCAN_TYPES = dict.fromkeys(
    ("frame_id", "subject", "session", "sequence", "task", "mesh", "texture", "landmarks",
     "expression"),
    "string",
) | {"frame": "int64", "is_apex": "bool", "is_neutral": "bool"}  # fmt: skip
_ANNOTATION_TYPES = {"frame_id": "string", "valence": "float64", "arousal": "float64"}


def write_annotations(folder, annotations, quarantine, provenance):
    """Write `annotations.csv`, its quarantine and their manifest.

    Parameters
    ----------
    folder : Path of `gallery/`
    annotations : DataFrame of frame_id, valence, arousal (NaN where not annotated)
    quarantine : Quarantine
    provenance : store.Provenance
    """
    table, rejected = folder / "annotations.csv", folder / "annotations.quarantine.csv"
    with store.atomic(table) as unfinished:
        annotations.to_csv(
            unfinished, columns=list(_ANNOTATION_TYPES), index=False, lineterminator="\n"
        )
    with store.atomic(rejected) as unfinished:
        quarantine.write(unfinished)
    store.record(store.manifest_of(folder / "annotations"), [table, rejected], provenance)


def write_frames(folder, chunks, provenance):
    """Join all chunks' scans with the annotations: `frames.parquet` and `quarantine.csv`.

    Parameters
    ----------
    folder : Path of `gallery/`
    chunks : list of str, in the order in which they enter the table
    provenance : store.Provenance

    Raises
    ------
    BadInput
        No frame is left.
    """
    scans = [folder / "scans" / f"{chunk}.csv" for chunk in chunks]
    rejected = [path.with_suffix(".quarantine.csv") for path in scans]
    table, quarantine = folder / "frames.parquet", folder / "quarantine.csv"
    with store.atomic(quarantine) as unfinished:
        _concatenate(unfinished, [*rejected, folder / "annotations.quarantine.csv"])
    frames = _frames(scans, folder / "annotations.csv")
    if frames.empty:
        raise BadInput(quarantine, "every scan is in quarantine", "correct what it lists")
    with store.atomic(table) as unfinished:
        frames.to_parquet(unfinished, index=False)
    store.record(store.manifest_of(folder / "frames"), [table, quarantine], provenance)


def _frames(scans, annotations):
    """FRAME_COLUMNS of all chunks, one row a scan; NaN where it is not annotated."""
    table = pd.concat([_read(path, _SCAN_TYPES) for path in scans], ignore_index=True)
    affect = _read(annotations, _ANNOTATION_TYPES)
    joined = table.merge(affect, on="frame_id", how="left", validate="one_to_one")
    return joined[list(FRAME_COLUMNS)]


def _read(path, types):
    """Only an empty cell is missing: a person may be called NA."""
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


def _concatenate(path, tables):
    every = pd.concat(
        [pd.read_csv(table, dtype="string", keep_default_na=False) for table in tables],
        ignore_index=True,
    )
    every.to_csv(path, index=False, lineterminator="\n")
