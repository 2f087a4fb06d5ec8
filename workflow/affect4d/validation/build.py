"""The validation job: from projected frames to Table 1, its models, predictions and pictures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.artifacts.reading import open_file
from affect4d.config.validation import Settings
from affect4d.formats.own_tables import read_csv
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.validation import pictures
from affect4d.validation.frames import LABELS
from affect4d.validation.projections import Projections
from affect4d.validation.study import Experiment, tabulate_predictions
from affect4d.validation.table import tabulate, tabulate_reason

Writers = dict[str, Callable[[Path], Any]]

# Files that exist only where something was measured.
_MEASURED = ("predictions.parquet", "table1.png", "courses.png", "errors.png", "canonical.png")


def build_validation(
    context: RunContext, chunks: list[str], settings: Settings, *, noise: float | None = None
) -> None:
    """Write table1.csv, models.zarr, predictions.parquet, pictures and quarantine under validation.

    Parameters
    ----------
    context : of the run; its engine reads features
    chunks : names of the chunks of registered sequences
    settings : of the validation
    noise : standard deviation of the annotators' error, where it is known

    Raises
    ------
    BadInput
        Nothing can be measured, and the quarantine is strict; else the table says why.
    """
    out, models = context.root / "validation", context.root / "validation/models.zarr"
    extra = {"annotation_noise": noise}
    written: list[Path] = []
    writers: Writers = {}
    try:
        with context.engine.collections():
            experiment = _experiment(context, chunks, settings, noise=noise)
            study = experiment.run()
        table = tabulate(study.rows, settings)
        if study.chosen is not None:
            chosen = study.chosen
            predicted = tabulate_predictions(
                experiment.projections, chosen.predictions, experiment.test
            )
            measured: list[Callable[[Path], Any]] = [
                partial(predicted.to_parquet, index=False),
                partial(pictures.draw_table, table=table, settings=settings),
                partial(pictures.draw_trajectories, predicted=predicted),
                partial(pictures.draw_errors, predicted=predicted),
                partial(
                    pictures.draw_canonical,
                    basis=out / "basis.zarr",
                    models=study.models,
                    key=chosen.key,
                ),
            ]
            writers |= zip(_MEASURED, measured, strict=True)
            attributes = {"chosen": str(chosen.key), **chosen.key._asdict()}
            provenance = context.provenance(item="models", settings=extra)
            store.write(models, study.models, attributes, provenance=provenance)
            written.append(store.manifest_of(models))
    except BadInput as problem:  # the rest of the build does not depend on the validation
        context.quarantine.add("table1", problem)
        table = tabulate_reason(settings, problem.rule)
    if not written:
        for left in (store.manifest_of(models), models, *(out / name for name in _MEASURED)):
            store.protocol.remove(left)
    writers["table1.csv"] = partial(table.to_csv, index=False, float_format="%.6f")
    writers["quarantine/table1.csv"] = context.quarantine.write
    for name, write in writers.items():
        with store.atomic(out / name) as path:
            write(path)
    files = [*written, *(out / name for name in writers)]
    store.record(out / "table1.manifest.json", files, context.provenance(settings=extra))


def _experiment(
    context: RunContext, chunks: list[str], settings: Settings, *, noise: float | None
) -> Experiment:
    """The experiment on the stored features.

    Raises
    ------
    BadInput
        There are no bases, or no features.
    """
    out = context.root / "validation"
    reasons = read_csv(open_file(out / "quarantine/bases.csv"))
    reasons = reasons[reasons["item"] == "table1"]
    if len(reasons):
        raise BadInput(*reasons.iloc[0][["file", "rule", "remedy"]])
    projections = Projections(context.root, chunks)
    if not len(projections.table):
        raise BadInput(LABELS, "no used frame could be projected", "see the quarantine")
    split = read_csv(open_file(out / "split.csv"), text=["subject"])
    attained = store.open(out / "basis.zarr").attributes["attained"]
    return Experiment(
        projections, split, attained, settings=settings, seed=context.seed, noise=noise
    )
