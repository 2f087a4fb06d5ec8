"""The `manifest` source: a table of scans on disk (4DFAB or any other), checked before any work.

A row that breaks a rule goes into quarantine, and so does a sequence that is left without a neutral
frame, because every later room works on differences from it. Of rows that share a frame_id the
first stays. Annotations are checked apart from scans, so that none of them makes a scan register
again; their range is the affect space's concern.
"""

import logging
import re
from functools import cache
from pathlib import Path

import pyarrow.parquet

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS, TASKS
from affect4d.formats.markup import MARKUP_FILES, load_markup
from affect4d.formats.paths import inside, safe_name
from affect4d.gallery.table import FILE_COLUMNS, look_at_files, read_table, scan_rows, scans_digest
from affect4d.quarantine import BadInput

log = logging.getLogger("affect4d")
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_PER_SEQUENCE = ("subject", "session", "task")


def write_table(folder, settings, strict, provenance):
    """Check the user's table as a whole, and keep it by column (rule `gallery_table`).

    What is wrong with rows is only counted here: the jobs of their chunks, which read the user's
    table themselves, quarantine them.

    Parameters
    ----------
    folder : Path of `gallery/`
    settings : config.gallery.Settings
    strict : bool
    provenance : store.Provenance

    Raises
    ------
    BadInput
        The table as a whole cannot be used, or `strict` and a row is bad.
    """
    load_markup(settings.manifest.markup)
    table = read_table(settings)
    rows = table.to_pandas()
    files = look_at_files(table, settings.manifest.root)
    problems = find_problems(rows, settings.manifest, files)
    if problems:
        first = problems[min(problems)]
        if strict:
            raise first
        log.warning(
            "%d of %d rows will be in quarantine, the first is %s", len(problems), len(rows), first
        )
    unannotated = int((~_has_annotation(rows) & (rows["expression"] == "")).sum())
    if unannotated:
        log.warning(
            "%d of %d rows have neither expression nor annotation: they will be in no class; "
            "fill in valence and arousal, or the expression of a posed sequence",
            unannotated,
            len(rows),
        )
    path = folder / "table.parquet"
    with store.atomic(path) as unfinished:
        pyarrow.parquet.write_table(table, unfinished)
    store.record(store.manifest_of(folder / "table"), [path], provenance)


def _has_annotation(rows):
    return (rows["valence"] != "") & (rows["arousal"] != "")


def write_scans(folder, chunk, settings, quarantine, provenance):
    """Write a chunk's table of scans, its quarantine and their manifest (rule `gallery_scans`).

    Parameters
    ----------
    folder : Path of `gallery/`
    chunk : str
    settings : config.gallery.Settings
    quarantine : Quarantine
    provenance : (item, inputs, extra settings) -> store.Provenance

    Raises
    ------
    BadInput
        The table as a whole cannot be used, or the quarantine is strict and a row is bad.
    """
    table = scan_rows(settings)[chunk]
    files = look_at_files(table, settings.manifest.root)
    scans = check_scans(table.to_pandas(), settings.manifest, files, quarantine)
    kept, rejected = (folder / "scans" / f"{chunk}{end}" for end in (".csv", ".quarantine.csv"))
    with store.atomic(kept) as unfinished:
        scans.to_csv(unfinished, index=False, lineterminator="\n")
    with store.atomic(rejected) as unfinished:
        quarantine.write(unfinished)
    made_from = provenance(chunk, [], {"rows": scans_digest(table, files)})
    store.record(store.manifest_of(folder / "scans" / chunk), [kept, rejected], made_from)


def check_scans(rows, source, files, quarantine):
    """The scans that can be used.

    Parameters
    ----------
    rows : DataFrame of `gallery.table.read_table`; each sequence is in it as a whole
    source : config section gallery.manifest
    files : of `gallery.table.look_at_files`
    quarantine : Quarantine

    Returns
    -------
    DataFrame of config.gallery.SCAN_COLUMNS, in the order of the rows
    """
    problems = find_problems(rows, source, files)
    for index in sorted(problems):
        quarantine.add(rows["frame_id"][index], problems[index])
    scans = _typed(rows.drop(index=list(problems)), source)
    lost = []
    for sequence in rows["sequence"].unique():
        try:
            _check_sequence(sequence, scans[scans["sequence"] == sequence], source.table)
        except BadInput as problem:
            quarantine.add(sequence, problem)
            lost.append(sequence)
    return scans[~scans["sequence"].isin(lost)]


def find_problems(rows, source, files):
    """The first rule that each bad row breaks: {index: BadInput}; parameters as `check_scans`."""
    table = source.table
    problems: dict[int, BadInput] = {}

    def judge(name, check, among=slice(None)):
        """Hold each value of a column to `check`, which raises a BadInput."""
        values = rows[name][among]
        wrong = {value: problem for value in values.unique() if (problem := _failure(check, value))}
        for index, value in values[values.isin(list(wrong))].items():
            problems.setdefault(index, wrong[value])

    for name in ("subject", "session", "sequence"):
        judge(name, lambda value: safe_name(value, table))
    judge("expression", lambda value: safe_name(value, table), rows["expression"] != "")
    judge("frame_id", lambda value: _refuse_repeated(value, table), rows["repeated"] != "")
    for name in _PER_SEQUENCE:
        _judge_recording(name, rows, table, problems)
    judge("task", lambda value: _check_task(value, table))
    check_file = _file_check(source, files)
    for name in FILE_COLUMNS:
        judge(name, lambda value, name=name: check_file(name, value))
    judge("markup", lambda value: _check_markup(value, source, check_file), rows["markup"] != "")
    judge("frame", lambda value: _integer(value, table))
    for name in ("is_apex", "is_neutral"):
        judge(name, lambda value, name=name: _boolean(name, value, table))
    return problems


def _failure(check, value):
    try:
        check(value)
    except BadInput as problem:
        return problem
    return None


def _refuse_repeated(frame_id, table):
    raise BadInput(
        table,
        f"frame_id {frame_id} is in an earlier row, which stays",
        "give each frame an id of its own",
    )


def _judge_recording(name, rows, table, problems):
    opening = rows.groupby("sequence", sort=False)[name].transform("first")
    for index in rows.index[rows[name] != opening]:
        problem = BadInput(
            table,
            f"sequence {rows['sequence'][index]} has {name} {opening[index]!r} "
            f"and {rows[name][index]!r}",
            "name each recording of one person apart: subject_session_sequence",
        )
        problems.setdefault(index, problem)


def _check_task(task, table):
    if task not in TASKS:
        raise BadInput(table, f"unknown task {task!r}", f"use {' or '.join(TASKS)}")


def _file_check(source, files):
    """A check (column, path) of a file that is named; each folder is looked up once."""

    @cache
    def check_folder(folder):
        inside(source.root, folder)

    def check(column, path):
        if not path:
            if column != "texture":
                raise BadInput(
                    source.table, f"no {column} is named", f"fill in the column {column}"
                )
            return
        state = files[path]
        if state is None or state.is_link or "\\" in path or path.startswith("/") or ".." in path:
            inside(source.root, path)
        check_folder(path.rpartition("/")[0] or ".")
        if state is None:
            raise BadInput(
                Path(source.root) / path, f"the {column} does not exist", "add it, or drop the row"
            )

    return check


def _check_markup(name, source, check_file):
    if name.endswith(MARKUP_FILES):
        check_file("markup", name)
        load_markup(str(inside(source.root, name)))
    else:
        load_markup(safe_name(name, source.table))


def _integer(text, table):
    # tables that went through a float column write 3 as 3.0
    if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):
        raise BadInput(table, f"frame {text!r} is not an integer from 0", "number the frames")
    return int(float(text))


def _boolean(name, text, table):
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise BadInput(table, f"{name} {text!r} is not a boolean", "true or false") from None


def _typed(rows, source):
    """Rows that break no rule as they enter the table of scans."""
    scans = rows[list(SCAN_COLUMNS)].copy()
    scans["frame"] = [_integer(text, source.table) for text in rows["frame"]]
    for name in ("is_apex", "is_neutral"):
        scans[name] = [_boolean(name, text, source.table) for text in rows[name]]
    scans["markup"] = [
        str(inside(source.root, text)) if text.endswith(MARKUP_FILES) else text or source.markup
        for text in rows["markup"]
    ]
    return scans


def _check_sequence(sequence, scans, table):
    if scans.empty:
        raise BadInput(
            table,
            f"sequence {sequence} is empty: none of its rows can be used",
            "correct its rows, each of which is in quarantine as well",
        )
    if not scans["is_neutral"].any():
        raise BadInput(
            table,
            f"sequence {sequence} has no neutral frame; its {len(scans)} frames are left out",
            "mark one of them as is_neutral",
        )


def read_annotations(folder, table, quarantine):
    """The annotations of every frame of the user's table.

    Parameters
    ----------
    folder : Path of `gallery/`, with what `write_table` wrote
    table : the user's table, named in the quarantine
    quarantine : Quarantine

    Returns
    -------
    DataFrame of frame_id, valence, arousal; both NaN where a frame is not annotated, or where one
    of them is no number (then it is in quarantine)

    Raises
    ------
    BadInput
        The quarantine is strict and an annotation is bad.
    """
    columns = ["frame_id", "valence", "arousal", "repeated"]
    rows = pyarrow.parquet.read_table(folder / "table.parquet", columns=columns).to_pandas()
    rows = rows[rows["repeated"] == ""].reset_index(drop=True)
    kept = rows[["frame_id"]].copy()
    wrong: dict[int, BadInput] = {}
    for name in ("valence", "arousal"):
        values = {text: _number(text) for text in rows[name].unique()}
        kept[name] = rows[name].map(values).astype("float64")
        strange = [text for text, value in values.items() if value is None]
        for index in rows.index[rows[name].isin(strange)]:
            problem = BadInput(
                table,
                f"{name} {rows[name][index]!r} is not a number",
                "give a number in [-1, 1], or leave both values empty",
            )
            wrong.setdefault(index, problem)
    for index in sorted(wrong):
        quarantine.add(rows["frame_id"][index], wrong[index])
    kept.loc[list(wrong), ["valence", "arousal"]] = float("nan")
    return kept


def _number(text):
    """The number, NaN for an empty cell, None where it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return None
