"""Which class each frame belongs to, and what each class holds.

Rules 1 and 5 of the method: an annotation outside the plane is quarantined and never clipped; a
class below the minimum number of frames or subjects is marked insufficient.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from affect4d.affectspace.grid import INVALID, Grid
from affect4d.artifacts.affectspace import CLASSES
from affect4d.artifacts.statuses import (
    EMPTY,
    FLAGGED,
    INSUFFICIENT,
    OK,
    QUARANTINED,
    UNANNOTATED,
    UNREGISTERED,
    USED,
)
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.quarantine import BadInput, Quarantine


def classify(
    frames: pd.DataFrame,
    flags: Mapping[str, int],
    grid: Grid,
    *,
    quarantine: Quarantine,
    source: str,
) -> pd.DataFrame:
    """Give every frame its class and status.

    Parameters
    ----------
    frames
        The gallery's table as `compensate` returns it: frame_id, sequence, frame, subject, task,
        valence, arousal, delay, is_late (and more).
    flags
        The registration flags of every registered frame by its frame_id; 0 is clean.
    grid : of the classes
    quarantine
        Receives each annotation that is missing, incomplete or outside the plane.
    source : named as the file in the quarantine's rows

    Returns
    -------
    frame_id, sequence, frame, subject, valence, arousal, delay, class (-1 unless used), status.
    """
    columns = ["frame_id", "sequence", "frame", "subject", "valence", "arousal", "delay"]
    table = frames[columns].copy()
    assigned = grid.assign(table["valence"].to_numpy(), table["arousal"].to_numpy())
    missing = table[["valence", "arousal"]].isna().to_numpy()
    registered = table["frame_id"].isin(flags).to_numpy()
    flagged = table["frame_id"].map(flags).fillna(0).to_numpy() != 0
    # posed frames are not annotated; a spontaneous one should be (rule 1)
    expected = ~missing.all(1) | (frames["task"] == "spontaneous").to_numpy()
    expected &= ~frames["is_late"].to_numpy()
    bad = (assigned == INVALID) & expected
    status = np.select(
        [bad, missing.all(1), ~registered, flagged],
        [QUARANTINED, UNANNOTATED, UNREGISTERED, FLAGGED],
        USED,
    )
    for row in table[bad].itertuples():
        quarantine.add(row.frame_id, _bad_annotation(row, grid, source))
    table["class"] = np.where(status == USED, assigned, INVALID)
    table["status"] = status
    return table


def _bad_annotation(row: Any, grid: Grid, source: str) -> BadInput:
    return BadInput(
        source,
        f"annotation of {row.frame_id} (valence {row.valence:g}, arousal {row.arousal:g}) "
        f"is not in [{grid.low:g}, {grid.high:g}]",
        "correct it, or drop the row",
    )


def report_classes(
    classes: pd.DataFrame, settings: AffectSpaceSettings, quarantine: Quarantine
) -> None:
    """Give every class that gets no model a row in quarantine: no image will show it (rule 5).

    Parameters
    ----------
    classes : as `summarise` returns it
    settings : how many frames and subjects suffice
    quarantine : receives the rows
    """
    for row in classes[classes["status"] != OK].itertuples():
        rule = (
            f"the class holds {row.count} frames of {row.subjects} people, fewer than "
            f"{settings.min_frames} of {settings.min_subjects}"
        )
        remedy = "annotate more frames there, or lower affectspace.min_frames or min_subjects"
        quarantine.leave_out(row.name, BadInput(CLASSES.pattern, rule, remedy))


def summarise(
    frames: pd.DataFrame, grid: Grid, *, min_frames: int, min_subjects: int
) -> pd.DataFrame:
    """Count the used frames of every class and state whether they suffice.

    Returns
    -------
    One row per class: class, name, centre_valence, centre_arousal, count, subjects,
    median_valence, median_arousal (NaN where empty), status.
    """
    used = frames[frames["status"] == USED].groupby("class")
    table = pd.DataFrame({"class": np.arange(len(grid))})
    table["name"] = [grid.name(i) for i in table["class"]]
    table[["centre_valence", "centre_arousal"]] = grid.centres
    table["count"] = used.size().reindex(table["class"], fill_value=0).to_numpy()
    table["subjects"] = used["subject"].nunique().reindex(table["class"], fill_value=0).to_numpy()
    medians = used[["valence", "arousal"]].median().reindex(table["class"])
    table["median_valence"] = medians["valence"].to_numpy()
    table["median_arousal"] = medians["arousal"].to_numpy()
    enough = (table["count"] >= min_frames) & (table["subjects"] >= min_subjects)
    table["status"] = np.select([table["count"] == 0, enough], [EMPTY, OK], INSUFFICIENT)
    return table
