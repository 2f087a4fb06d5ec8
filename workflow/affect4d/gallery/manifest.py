"""The `manifest` source: a table of scans on disk (4DFAB or any other).

Annotations are checked separately from scans, so that a changed annotation makes no scan register
again; that they lie in the valence-arousal plane is checked by the stage `affectspace`.
"""

import logging

import pandas as pd
import pyarrow.parquet

from affect4d import store
from affect4d.artifacts.gallery import CHUNK, SCANS, SCANS_QUARANTINE, TABLE, USER_TABLE
from affect4d.artifacts.reading import open_file
from affect4d.config.gallery import Settings
from affect4d.formats.markup import load_markup
from affect4d.gallery.checks import check_scans, find_problems
from affect4d.gallery.jobs import file_states, scans_digest
from affect4d.gallery.user_table import read_table, scan_rows
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput

log = logging.getLogger("affect4d")


def write_table(settings: Settings, context: RunContext) -> None:
    """Check the complete table and write it by column (rule `gallery_table`).

    What is wrong with rows is only counted here: the jobs of their chunks, which read the user's
    table themselves, quarantine them.

    Parameters
    ----------
    settings : of the stage `gallery`
    context : of the run

    Raises
    ------
    BadInput
        The table cannot be used, or the quarantine is strict and a row is bad.
    """
    load_markup(settings.manifest.markup)
    table = read_table(settings)
    rows = table.to_pandas()
    files = file_states(table, str(settings.manifest.root))
    problems = find_problems(rows, settings.manifest, files)
    if problems:
        first = problems[min(problems)]
        if context.quarantine.strict:
            raise first
        log.warning(
            "%d of %d rows will be in quarantine, the first is %s", len(problems), len(rows), first
        )
    annotated = (rows["valence"] != "") & (rows["arousal"] != "")
    without = int((~annotated & (rows["expression"] == "")).sum())
    if without:
        log.warning(
            "%d of %d rows have neither expression nor annotation: they will be in no class; "
            "fill in valence and arousal, or the expression of a posed sequence",
            without,
            len(rows),
        )
    path = USER_TABLE.path(context.root)
    with store.atomic(path) as unfinished:
        pyarrow.parquet.write_table(table, unfinished)
    store.record(TABLE.manifest(context.root), [path], context.provenance())


def write_scans(chunk: str, settings: Settings, context: RunContext) -> None:
    """Write a chunk's table of scans, its quarantine and their manifest (rule `gallery_scans`).

    Parameters
    ----------
    chunk : name of the chunk
    settings : of the stage `gallery`
    context : of the run

    Raises
    ------
    BadInput
        The table cannot be used, or the quarantine is strict and a row is bad.
    """
    table = scan_rows(settings)[chunk]
    files = file_states(table, str(settings.manifest.root))
    scans = check_scans(
        table.to_pandas(), settings.manifest, files=files, quarantine=context.quarantine
    )
    files_written = [file.path(context.root, chunk=chunk) for file in (SCANS, SCANS_QUARANTINE)]
    with store.atomic(files_written[0]) as unfinished:
        scans.to_csv(unfinished, index=False, lineterminator="\n")
    with store.atomic(files_written[1]) as unfinished:
        context.quarantine.write(unfinished)
    provenance = context.provenance(item=chunk, settings={"rows": scans_digest(table, files)})
    store.record(CHUNK.manifest(context.root, chunk=chunk), files_written, provenance)


def read_annotations(settings: Settings, context: RunContext) -> pd.DataFrame:
    """The annotations of every frame of the user's table, from what `write_table` wrote.

    Parameters
    ----------
    settings : of the stage `gallery`
    context : of the run

    Returns
    -------
    frame_id, valence, arousal; both NaN where a frame is not annotated, or where one of them is no
    number (then it is in quarantine)

    Raises
    ------
    BadInput
        The quarantine is strict and an annotation is bad.
    """
    columns = ["frame_id", "valence", "arousal", "repeated"]
    path = USER_TABLE.path(context.root)
    rows = pyarrow.parquet.read_table(open_file(path), columns=columns).to_pandas()
    rows = rows[rows["repeated"] == ""].reset_index(drop=True)
    annotations = rows[["frame_id"]].copy()
    problems: dict[int, BadInput] = {}
    for name in ("valence", "arousal"):
        values = {text: _number(text) for text in rows[name].unique()}
        annotations[name] = rows[name].map(values).astype("float64")
        malformed = [text for text, value in values.items() if value is None]
        for index in rows.index[rows[name].isin(malformed)]:
            problem = BadInput(
                settings.manifest.table,
                f"{name} {rows[name][index]!r} is not a number",
                "give a number in [-1, 1], or leave both values empty",
            )
            problems.setdefault(index, problem)
    for index in sorted(problems):
        context.quarantine.add(rows["frame_id"][index], problems[index])
    annotations.loc[list(problems), ["valence", "arousal"]] = float("nan")
    return annotations


def _number(text: str) -> float | None:
    """The number, NaN for an empty cell, None where the text is no number."""
    try:
        return float(text or "nan")
    except ValueError:
        return None
