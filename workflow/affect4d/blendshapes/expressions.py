"""The six basic expressions as targets: models of posed apex frames, by the classes' own code.

Their names are their labels; valence and arousal are the medians of the apex frames' annotations
where posed sequences are annotated, and not known otherwise.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.affectspace.build import registration_flags
from affect4d.artifacts.affectspace import AFFECT_SPACE
from affect4d.artifacts.affectspace import FRAMES as ANNOTATED_FRAMES
from affect4d.artifacts.gallery import FRAMES, GALLERY
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import EMPTY, INSUFFICIENT, OK, USED
from affect4d.blendshapes.atlas import write_expressions
from affect4d.blendshapes.classes import ClassFitter, record_models
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.config.gallery import EXPRESSIONS
from affect4d.quarantine import BadInput, Quarantine

log = logging.getLogger(__name__)
JOB = "expressions"
POSED = "posed"


def fit_expressions(fitter: ClassFitter) -> None:
    """Fit the basic expressions; write their models, `expressions.zarr` and the job's manifest.

    Expressions with too few frames, or sequences without a neutral mesh, go into quarantine.
    """
    context, root = fitter.context, fitter.context.root
    frames = apex_frames(pd.read_parquet(open_file(FRAMES.path(root))), root)
    table = summarise_expressions(frames, fitter.plane, context.quarantine)
    annotated = pd.read_parquet(open_file(ANNOTATED_FRAMES.path(root)))
    manifests = fitter.fit(table, frames, annotated[annotated["status"] == USED])
    inputs = [GALLERY.manifest(root), AFFECT_SPACE.manifest(root)]
    record_models(context, JOB, manifests, item=JOB, inputs=inputs)
    provenance = context.provenance(manifests, item=JOB)
    write_expressions(root, table, vertex_count=len(fitter.vertices), provenance=provenance)


def apex_frames(gallery: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The cleanly registered apex frames of posed sequences of the basic expressions.

    Parameters
    ----------
    gallery : `gallery/frames.parquet`
    root : the results folder

    Returns
    -------
    frame_id, sequence, subject, valence, arousal, class (the expression's index in EXPRESSIONS),
    expression
    """
    posed = gallery[(gallery["task"] == POSED) & gallery["is_apex"]]
    others = sorted(set(posed["expression"].dropna()) - set(EXPRESSIONS))
    if others:
        log.warning("apex frames of other than the basic expressions: %s", ", ".join(others))
    posed = posed[posed["expression"].isin(EXPRESSIONS)]
    flags = posed["frame_id"].map(registration_flags(root, posed["sequence"].unique()))
    columns = ["frame_id", "sequence", "subject", "valence", "arousal", "expression"]
    clean = posed.loc[flags == 0, columns]
    return clean.assign(**{"class": clean["expression"].map(EXPRESSIONS.index).astype(np.int64)})


def summarise_expressions(
    frames: pd.DataFrame, plane: AffectSpaceSettings, quarantine: Quarantine
) -> pd.DataFrame:
    """Count each expression's frames and state whether they suffice, as for a class.

    Returns
    -------
    One row per expression: class, name, expression, count, status, median_valence,
    median_arousal (NaN where not annotated)
    """
    rows = []
    for index, name in enumerate(EXPRESSIONS):
        apexes = frames[frames["expression"] == name]
        subjects = apexes["subject"].nunique()
        enough = len(apexes) >= plane.min_frames and subjects >= plane.min_subjects
        status = OK if enough else INSUFFICIENT if len(apexes) else EMPTY
        if status == INSUFFICIENT:
            quarantine.leave_out(name, _too_few(len(apexes), subjects, plane))
        medians = {f"median_{axis}": apexes[axis].median() for axis in ("valence", "arousal")}
        row = {"class": index, "name": name, "expression": name, "count": len(apexes)}
        rows.append(row | {"status": status} | medians)
    return pd.DataFrame(rows)


def _too_few(count: int, subjects: int, plane: AffectSpaceSettings) -> BadInput:
    return BadInput(
        FRAMES.pattern,
        f"the expression has {count} clean apex frames of {subjects} people, fewer than "
        f"{plane.min_frames} of {plane.min_subjects}",
        "mark more apexes of posed sequences, or lower affectspace.min_frames or min_subjects",
    )
