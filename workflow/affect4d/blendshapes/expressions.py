"""The six basic expressions as targets: models of posed apex frames, by the classes' own code.

Their names are their labels; valence and arousal are the medians of the apex frames' annotations
where posed sequences are annotated, and not known otherwise.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.affectspace.build import registration_flags
from affect4d.artifacts.statuses import EMPTY, INSUFFICIENT, OK, USED
from affect4d.blendshapes.atlas import write_expressions
from affect4d.blendshapes.classes import ClassFitter, record_models
from affect4d.config.gallery import EXPRESSIONS
from affect4d.quarantine import BadInput

log = logging.getLogger(__name__)
POSED = "posed"


def fit_expressions(root, template, settings, plane, quarantine, provenance, workers=1):
    """Fit the basic expressions; write their models, `expressions.zarr` and the job's manifest.

    Parameters
    ----------
    root : path
        The results folder.
    template : Template
    settings : config.blendshapes.Settings
    plane : config.affectspace.Settings
        Frames and subjects that suffice for a model, as for a class.
    quarantine : Quarantine
        Receives expressions with too few frames, and sequences without a neutral mesh.
    provenance : callable (item, inputs, extra_settings) -> Provenance
    workers : int
        Threads that read sequences.
    """
    root = Path(root)
    gallery = pd.read_parquet(root / "gallery/frames.parquet")
    frames = apex_frames(gallery, root / "registered")
    table = summarise_expressions(frames, plane, quarantine)
    annotated = pd.read_parquet(root / "affectspace/frames.parquet")
    fitter = ClassFitter(root, template, settings, plane, provenance, quarantine, workers)
    manifests = fitter.fit(table, frames, annotated[annotated["status"] == USED])
    inputs = [
        root / "gallery/frames.manifest.json",
        root / "affectspace/affectspace.manifest.json",
    ]
    record_models(root, "expressions", manifests, quarantine, provenance("expressions", inputs, {}))
    write_expressions(
        root / "blendshapes/expressions.zarr",
        root / "blendshapes",
        table,
        len(template.vertices),
        provenance("expressions", manifests, {}),
    )


def apex_frames(gallery, registered):
    """The cleanly registered apex frames of posed sequences of the basic expressions.

    Parameters
    ----------
    gallery : DataFrame
        `gallery/frames.parquet`.
    registered : path
        Folder with the registered sequences.

    Returns
    -------
    DataFrame
        frame_id, sequence, subject, valence, arousal, class (the expression's place in
        EXPRESSIONS), expression.
    """
    posed = gallery[(gallery["task"] == POSED) & gallery["is_apex"]]
    others = sorted(set(posed["expression"].dropna()) - set(EXPRESSIONS))
    if others:
        log.warning("apex frames of other than the basic expressions: %s", ", ".join(others))
    posed = posed[posed["expression"].isin(EXPRESSIONS)]
    flags = posed["frame_id"].map(registration_flags(registered, posed["sequence"].unique()))
    columns = ["frame_id", "sequence", "subject", "valence", "arousal", "expression"]
    clean = posed.loc[flags == 0, columns]
    return clean.assign(**{"class": clean["expression"].map(EXPRESSIONS.index).astype(np.int64)})


def summarise_expressions(frames, plane, quarantine):
    """Count each expression's frames and state whether they suffice, as for a class.

    Returns
    -------
    DataFrame
        One row an expression: class, name, expression, count, status, median_valence,
        median_arousal (NaN where not annotated).
    """
    rows = []
    for index, name in enumerate(EXPRESSIONS):
        own = frames[frames["expression"] == name]
        subjects = own["subject"].nunique()
        enough = len(own) >= plane.min_frames and subjects >= plane.min_subjects
        status = OK if enough else INSUFFICIENT if len(own) else EMPTY
        if status == INSUFFICIENT:
            quarantine.leave_out(name, _too_few(len(own), subjects, plane))
        medians = {f"median_{axis}": own[axis].median() for axis in ("valence", "arousal")}
        row = {"class": index, "name": name, "expression": name, "count": len(own)}
        rows.append(row | {"status": status} | medians)
    return pd.DataFrame(rows)


def _too_few(count, subjects, plane):
    return BadInput(
        "gallery/frames.parquet",
        f"the expression has {count} clean apex frames of {subjects} people, fewer than "
        f"{plane.min_frames} of {plane.min_subjects}",
        "mark more apexes of posed sequences, or lower affectspace.min_frames or min_subjects",
    )
