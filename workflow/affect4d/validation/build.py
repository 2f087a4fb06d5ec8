"""The validation job: from projected frames to Table 1, its models, predictions and pictures."""

from pathlib import Path

import dask
import pandas as pd

from affect4d import store
from affect4d.quarantine import BadInput
from affect4d.validation import pictures
from affect4d.validation.prepare import LABELS
from affect4d.validation.projections import Projections
from affect4d.validation.study import Experiment, predictions
from affect4d.validation.table import tabulate, unmeasured

_SHOWN = "predictions.parquet", "table1.png", "courses.png", "errors.png", "canonical.png"


def build_validation(root, chunks, settings, seed, noise, quarantine, provenance, workers=1):
    """Write table1.csv, models.zarr, predictions.parquet, pictures and quarantine under validation.

    Parameters
    ----------
    root : path
        The results folder.
    chunks : list of str, of registered sequences
    settings : config.validation.Settings
    seed : int
    noise : float or None
        Standard deviation of the annotators' error, where it is known.
    quarantine : Quarantine
    provenance : callable (item, inputs) -> Provenance
    workers : int
        Threads that read features.

    Returns
    -------
    list of Path
        The files and manifests written.

    Raises
    ------
    BadInput
        Nothing can be measured, and the quarantine is strict; else the table says why.
    """
    out = Path(root) / "validation"
    models, written = out / "models.zarr", []
    contents: dict = {}
    try:
        with dask.config.set(scheduler="threads", num_workers=workers):
            experiment = _experiment(root, chunks, settings, seed, noise)
            study = experiment.run()
        table = tabulate(study.rows, settings)
        if study.chosen is not None:
            shown = predictions(experiment.projections, study, experiment.test)
            contents |= _shown(out, table, shown, study, settings)
            attributes = {"chosen": str(study.chosen), **study.chosen._asdict()}
            store.write(models, study.models, attributes, provenance("models", []))
            written.append(store.manifest_of(models))
    except BadInput as problem:  # the rest of the build does not depend on this proof
        quarantine.add("table1", problem)
        table = unmeasured(settings, problem.rule)
    if not written:
        for left in (store.manifest_of(models), models, *(out / name for name in _SHOWN)):
            store.protocol.remove(left)
    contents["table1.csv"] = lambda path: table.to_csv(path, index=False, float_format="%.6f")
    contents["quarantine/table1.csv"] = quarantine.write
    for name, write in contents.items():
        with store.atomic(out / name) as path:
            write(path)
    return [*written, *(out / name for name in contents)]


def _experiment(root, chunks, settings, seed, noise):
    out = Path(root) / "validation"
    reasons = pd.read_csv(out / "quarantine/bases.csv", dtype=str)
    reasons = reasons[reasons["item"] == "table1"]
    if len(reasons):
        raise BadInput(*reasons.iloc[0][["file", "rule", "remedy"]])
    projections = Projections(root, chunks)
    if not len(projections.table):
        raise BadInput(LABELS, "no used frame could be projected", "see the quarantine")
    split = pd.read_csv(out / "split.csv", dtype={"subject": str})
    attained = store.open(out / "basis.zarr").attributes["attained"]
    return Experiment(projections, split, attained, settings, seed, noise)


def _shown(out, table, shown, study, settings):
    """Writers of the predictions and of the pictures, by file name."""
    writers = (
        lambda path: shown.to_parquet(path, index=False),
        lambda path: pictures.draw_table(path, table, settings),
        lambda path: pictures.draw_courses(path, shown),
        lambda path: pictures.draw_errors(path, shown),
        lambda path: pictures.draw_canonical(path, out / "basis.zarr", study),
    )
    return dict(zip(_SHOWN, writers, strict=True))
