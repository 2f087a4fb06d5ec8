"""Annotations on their way through the build, and Table 1 against the predictions behind it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.affectspace.delay import compensate
from affect4d.artifacts import affectspace, gallery, validation
from affect4d.artifacts.statuses import USED
from affect4d.audit.tables import hashes
from affect4d.audit.verdict import Finding, damaged, guarded, shortened
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.formats.own_tables import read_csv
from affect4d.store.manifest import SUFFIX
from affect4d.validation.metrics import ccc, mse, pearson
from affect4d.validation.split import split_subjects

_AXES = list(validation.AXES)
_ANNOTATIONS, _GALLERY = gallery.ANNOTATIONS.name(), gallery.FRAMES.name()
_FRAMES = affectspace.FRAMES.name()
_TABLE1, _SPLIT = validation.TABLE1.name(), validation.SPLIT.name()
_PREDICTIONS = "validation/predictions.parquet"
_ROUNDING = 1.5e-6  # of a figure that is written with six decimals, and of sums in another order


def check_labels(build: VerifiedBuild) -> Iterator[Finding]:
    """Annotations, gallery, affect space and predictions state the same labels; Table 1's figures.

    Tables that are missing or damaged are left out.
    """
    checks = (
        (_GALLERY, [_ANNOTATIONS, _GALLERY], _check_copies),
        (_FRAMES, [_GALLERY, _FRAMES], _check_delayed),
        (_PREDICTIONS, [_FRAMES, _PREDICTIONS], _check_copies),
        (_SPLIT, [_FRAMES, _SPLIT], _check_split),
        (_TABLE1, [_PREDICTIONS, _TABLE1], _check_table1),
    )
    for file, needed, check in checks:
        if set(needed) <= set(build.tables):
            yield from guarded(build.tables[file], file, check, build, *needed)


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path, columns=columns)
    types = {"frame_id": "string", "subject": "string"}
    return pd.read_csv(path, usecols=columns, dtype=types, keep_default_na=False, na_values=[""])


def _check_copies(build: VerifiedBuild, original: str, copy: str) -> Iterator[Finding]:
    """Every frame of a table has the valence and arousal that it has in the one before."""
    columns = ["frame_id", *_AXES]
    first, second = (_read(build.root / file, columns) for file in (original, copy))
    yield from _compare(build, original, copy, known=first, stated=second)


def _check_delayed(build: VerifiedBuild, original: str, copy: str) -> Iterator[Finding]:
    """Every frame of the affect space has the gallery's label, noted as late as is stated."""
    columns = ["frame_id", "sequence", "frame", *_AXES]
    first = _read(build.root / original, columns)
    second = _read(build.root / copy, ["frame_id", "sequence", *_AXES, "delay"])
    delays = second.groupby("sequence")["delay"].first().to_dict()
    yield from _compare(build, original, copy, known=compensate(first, delays), stated=second)


def _compare(
    build: VerifiedBuild, original: str, copy: str, *, known: pd.DataFrame, stated: pd.DataFrame
) -> Iterator[Finding]:
    by_frame = pd.DataFrame(known[_AXES].to_numpy(np.float64), hashes(known["frame_id"]))
    values = stated[_AXES].to_numpy(np.float64)
    expected = by_frame.reindex(hashes(stated["frame_id"])).to_numpy()
    same = (expected == values) | (np.isnan(expected) & np.isnan(values))
    yield from shortened(
        damaged(build.tables[copy], copy, f"{name} has another label than in {original}")
        for name in stated["frame_id"][~same.all(1)]
    )


def _check_split(build: VerifiedBuild, frames: str, split: str) -> Iterator[Finding]:
    """Who is tested follows from the seed, the share and the used frames."""
    settings = build.build.manifests[build.tables[split] + SUFFIX].settings
    table = read_csv(build.root / split, text=["subject"])
    if not {"seed", "validation"} <= {*settings} or table.empty:
        return
    used = _read(build.root / frames, ["subject", "status", *_AXES])
    used = used[used["status"] == USED]
    drawn = split_subjects(used, settings["validation"]["test_share"], settings["seed"])
    stated = table.set_index("subject")["set"].to_dict()
    if drawn.set_index("subject")["set"].to_dict() != stated:
        yield damaged(build.tables[split], split, "is not what seed, share and frames give")


def _check_table1(build: VerifiedBuild, predictions: str, table1: str) -> Iterator[Finding]:
    """The row of the chosen basis has the agreement of the predictions that are stored for it."""
    models = build.open_if_valid(validation.MODELS.name().removesuffix(".zarr"))
    if models is None:
        return
    table, predicted = pd.read_csv(build.root / table1), pd.read_parquet(build.root / predictions)
    chosen = models.attributes
    rows = table[
        (table["model"] == validation.MAIN)
        & (table["status"] == validation.OK)
        & (table["basis"] == chosen["kind"])
        & (table["basis_subjects"] == chosen["subjects"])
        & (table["components"] == chosen["size"])
    ]
    artifact = build.tables[table1]
    if len(rows) != 1:
        yield damaged(artifact, table1, f"has {len(rows)} rows of the basis {chosen['chosen']}")
        return
    for axis in _AXES:
        y, p = predicted[axis].to_numpy(), predicted[f"predicted_{axis}"].to_numpy()
        for name, measure in (("ccc", ccc), ("mse", mse), ("pearson", pearson)):
            stated = rows.iloc[0][f"{name}_{axis}"]
            if np.isnan(stated) and name == "pearson":
                continue  # it is not defined for constant predictions
            if not abs(stated - (value := measure(y, p))) <= _ROUNDING:
                what = f"{name}_{axis} of {chosen['chosen']} is {value:.6f} by {predictions}"
                yield damaged(artifact, table1, what)
