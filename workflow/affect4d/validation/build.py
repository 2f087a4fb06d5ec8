"""The validation job: from registered sequences and classes to Table 1."""

from pathlib import Path

import pandas as pd

from affect4d import store
from affect4d.formats.quarantine import BadInput
from affect4d.validation.basis import make_patch
from affect4d.validation.features import Reader
from affect4d.validation.table import describe_split, draw_table, prepare, tabulate, unmeasured


def open_reader(root, template, settings, blendshapes, quarantine):
    """The reader of the sequences under `root`; parameters as for `build_validation`."""
    patch = make_patch(template.vertices, template.triangles, template.inner, settings.vertices)
    return Reader(
        Path(root) / "registered",
        pd.read_parquet(Path(root) / "affectspace/frames.parquet"),
        patch,
        blendshapes.neutral,
        blendshapes.neutral_frames,
        quarantine,
    )


def build_validation(root, template, settings, blendshapes, seed, quarantine):
    """Write table1.csv, table1.png, split.csv and quarantine.csv under `root`/validation.

    Parameters
    ----------
    root : path
        The results folder.
    template : Template
    settings : config.validation.Settings
    blendshapes : config.blendshapes.Settings
        Says which mesh of a sequence is the neutral one.
    seed : int
    quarantine : Quarantine

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    BadInput
        There are no apex frames, no used frames, or only one subject, and the quarantine is
        strict; else the table says so in place of figures.
    """
    reader = open_reader(root, template, settings, blendshapes, quarantine)
    try:
        split, frames, attained = prepare(reader, settings, seed)
        table = tabulate(split, frames, attained, settings, seed)
        parts = describe_split(split, frames)
    except BadInput as problem:  # the rest of the build does not depend on this proof
        quarantine.add("table1", problem)
        table = unmeasured(settings.components, problem.rule)
        split = parts = pd.DataFrame(columns=["subject", "set", "frames"])
    writers = {
        "table1.csv": lambda path: table.to_csv(path, index=False, float_format="%.6f"),
        "split.csv": lambda path: parts.to_csv(path, index=False),
        "table1.png": lambda path: draw_table(path, table, split),
        "quarantine.csv": quarantine.write,
    }
    out = Path(root) / "validation"
    for name, write in writers.items():
        with store.atomic(out / name) as path:
            write(path)
    return [out / name for name in writers]
