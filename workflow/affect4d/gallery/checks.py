"""The rules for a user's table of scans, checked row by row before any work.

A row that breaks a rule goes into quarantine, and so does a sequence that is left without a neutral
frame, because every later stage works on differences from it. Of rows that share a frame_id the
first stays.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import pandas as pd

from affect4d.artifacts.gallery import SCAN_COLUMNS, TASKS
from affect4d.config.gallery import Manifest
from affect4d.formats.markup import MARKUP_FILES, load_markup
from affect4d.formats.paths import inside, safe_name
from affect4d.gallery.jobs import FileState
from affect4d.gallery.user_table import BOOLEANS, FILE_COLUMNS
from affect4d.quarantine import BadInput, Quarantine
from affect4d.system_files import is_system_file

_PER_SEQUENCE = ("subject", "session", "task")
_FRAME = re.compile(r"[0-9]{1,9}(\.0*)?")  # tables that went through a float column write 3 as 3.0

Files = dict[str, FileState | None]
Problems = dict[int, BadInput]


def check_scans(
    rows: pd.DataFrame, source: Manifest, *, files: Files, quarantine: Quarantine
) -> pd.DataFrame:
    """The scans that can be used.

    Parameters
    ----------
    rows : of `read_table`; every sequence in it is complete
    source : settings of the table
    files : of `file_states`
    quarantine : receives the rows and sequences that cannot be used

    Returns
    -------
    SCAN_COLUMNS, in the order of the rows
    """
    problems = find_problems(rows, source, files)
    for index in sorted(problems):
        quarantine.add(rows["frame_id"][index], problems[index])
    scans = _typed(rows.drop(index=list(problems)), source)
    rejected = []
    for sequence in rows["sequence"].unique():
        try:
            _check_sequence(sequence, scans[scans["sequence"] == sequence], source.table)
        except BadInput as problem:
            quarantine.add(sequence, problem)
            rejected.append(sequence)
    return scans[~scans["sequence"].isin(rejected)]


def find_problems(rows: pd.DataFrame, source: Manifest, files: Files) -> Problems:
    """The first rule that each bad row breaks, by its index; parameters as of `check_scans`."""
    table = source.table
    check_file = _file_check(source, files)
    problems: Problems = {}

    def check(
        name: str, rule: Callable[[str], object], among: Sequence[bool] | None = None
    ) -> None:
        """Hold each value of a column to `rule`, which raises a BadInput."""
        values = rows[name] if among is None else rows[name][among]
        wrong = {value: problem for value in values.unique() if (problem := _failure(rule, value))}
        for index, value in values[values.isin(list(wrong))].items():
            problems.setdefault(index, wrong[value])

    for name in ("subject", "session", "sequence"):
        check(name, lambda value: safe_name(value, table))
    check("expression", lambda value: safe_name(value, table), rows["expression"] != "")
    check("frame_id", lambda value: _refuse_repeated(value, table), rows["repeated"] != "")
    for name in _PER_SEQUENCE:
        _check_constant(name, rows, table, problems=problems)
    check("task", lambda value: _check_task(value, table))
    for name in FILE_COLUMNS:
        check(name, partial(check_file, name))
    check("markup", lambda value: _check_markup(value, source, check_file), rows["markup"] != "")
    check("frame", lambda value: _integer(value, table))
    for name in ("is_apex", "is_neutral"):
        check(name, partial(_boolean, name, table=table))
    return problems


def _failure(rule: Callable[[str], object], value: str) -> BadInput | None:
    try:
        rule(value)
    except BadInput as problem:
        return problem
    return None


def _refuse_repeated(frame_id: str, table: str | None) -> None:
    raise BadInput(
        table,
        f"frame_id {frame_id} is in an earlier row, which stays",
        "give each frame an id of its own",
    )


def _check_constant(
    name: str, rows: pd.DataFrame, table: str | None, *, problems: Problems
) -> None:
    """A sequence has one value in the column `name`."""
    first = rows.groupby("sequence", sort=False)[name].transform("first")
    for index in rows.index[rows[name] != first]:
        problem = BadInput(
            table,
            f"sequence {rows['sequence'][index]} has {name} {first[index]!r} "
            f"and {rows[name][index]!r}",
            "give each recording of a person a sequence name of its own: subject_session_sequence",
        )
        problems.setdefault(index, problem)


def _check_task(task: str, table: str | None) -> None:
    if task not in TASKS:
        raise BadInput(table, f"unknown task {task!r}", f"use {' or '.join(TASKS)}")


def _file_check(source: Manifest, files: Files) -> Callable[[str, str], None]:
    """A check of a column's path; each folder is looked up once."""
    root = Path(str(source.root))

    @cache
    def check_folder(folder: str) -> None:
        inside(root, folder)

    def check(column: str, path: str) -> None:
        if not path:
            if column != "texture":
                raise BadInput(
                    source.table, f"no {column} is named", f"fill in the column {column}"
                )
            return
        if any(map(is_system_file, path.split("/"))):
            raise BadInput(
                root / path, "the operating system's file, not data", f"name the {column} itself"
            )
        state = files[path]
        if state is None or state.is_link or "\\" in path or path.startswith("/") or ".." in path:
            inside(root, path)
        check_folder(path.rpartition("/")[0] or ".")
        if state is None:
            raise BadInput(root / path, f"the {column} does not exist", "add it, or drop the row")

    return check


def _check_markup(name: str, source: Manifest, check_file: Callable[[str, str], None]) -> None:
    if name.lower().endswith(MARKUP_FILES):
        check_file("markup", name)
        load_markup(str(inside(Path(str(source.root)), name)))
    else:
        load_markup(safe_name(name, source.table))


def _integer(text: str, table: str | None) -> int:
    if not _FRAME.fullmatch(text):
        raise BadInput(table, f"frame {text!r} is not an integer from 0", "number the frames")
    return int(float(text))


def _boolean(name: str, text: str, table: str | None) -> bool:
    try:
        return BOOLEANS[text.lower()]
    except KeyError:
        raise BadInput(table, f"{name} {text!r} is not a boolean", "write true or false") from None


def _typed(rows: pd.DataFrame, source: Manifest) -> pd.DataFrame:
    """Rows that break no rule as they enter the table of scans."""
    scans = rows[list(SCAN_COLUMNS)].copy()
    scans["frame"] = [_integer(text, source.table) for text in rows["frame"]]
    for name in ("is_apex", "is_neutral"):
        scans[name] = [_boolean(name, text, source.table) for text in rows[name]]
    scans["markup"] = [
        str(inside(Path(str(source.root)), text))
        if text.lower().endswith(MARKUP_FILES)
        else text or source.markup
        for text in rows["markup"]
    ]
    return scans


def _check_sequence(sequence: str, scans: pd.DataFrame, table: str | None) -> None:
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
