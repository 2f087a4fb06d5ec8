"""Paths in the configuration: what they may hold, and where results may lie."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel

from affect4d.artifacts.registry import artifacts, files
from affect4d.store.build_root import is_root
from affect4d.system_files import is_hidden

_PACKAGE = Path(__file__).resolve().parents[1]
_LOGS = {"logs", "benchmarks"}  # what rules write beside artifacts
_REMEDY = "name a new folder, such as results"


def check_plain_path(path: str) -> str:
    """The path itself, if it can be a file's and Snakemake takes it as it is.

    Raises
    ------
    ValueError
        It is empty, has characters that cannot be printed, or has braces.
    """
    if not path or not path.isprintable():
        raise ValueError("a path has at least one character, and only printable ones")
    if "{" in path or "}" in path:
        raise ValueError("Snakemake reads {...} in a path as a wildcard: rename or link the folder")
    return path


SOURCE = "source"  # marks the type of a setting that is a file or folder of the user's own
SourcePath = Annotated[str, AfterValidator(check_plain_path), SOURCE]
NameOrPath = Annotated[str, AfterValidator(check_plain_path)]


def sources(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """The key and value of every path of the user's own, set in a section or below it."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        marked = any(SOURCE in getattr(a, "__metadata__", ()) for a in get_args(info.annotation))
        nested = value if isinstance(value, dict) else {None: value}
        for key, below in nested.items():
            full = f"{prefix}{name}" + (f".{key}" if key else "")
            if isinstance(below, BaseModel):
                yield from sources(below, f"{full}.")
            elif marked and below is not None and "{" not in below:  # {results} is the build's
                yield full, Path(below)


def missing_sources(settings: BaseModel) -> Iterator[tuple[str, Path, str]]:
    """Key, path and fault of every path of the user's own that is missing or an empty folder."""
    for key, path in sources(settings):
        if not path.exists():
            yield key, path, "there is no such file or folder; correct the path"
        elif path.is_dir() and not any(not is_hidden(each.name) for each in path.iterdir()):
            yield key, path, "the folder is empty; add the files, or leave the setting out"


def check_results_folder(results: str, settings: BaseModel) -> None:
    """Refuse a results folder that is, holds or lies in what a build must never touch.

    Parameters
    ----------
    results : as configured, relative to the working directory
    settings : the configuration, whose sources lie apart from the results

    Raises
    ------
    ValueError
        What the folder is, and a remedy.
    """
    folder, working = Path(results).resolve(), Path.cwd()
    for what, path in (
        ("the working directory", working),
        ("the home folder", Path(os.path.expanduser("~"))),  # noqa: PTH111 - may have none
        ("the workflow's code", _PACKAGE),
    ):
        if path.resolve().is_relative_to(folder):
            raise ValueError(f"this folder is or holds {what}; {_REMEDY}")
    below = folder.relative_to(working) if folder.is_relative_to(working) else folder
    hidden = next((part for part in below.parts if part.startswith(".")), None)
    if hidden or folder.is_relative_to(_PACKAGE.parent):
        what = f"the hidden folder {hidden}" if hidden else "the workflow's code"
        raise ValueError(f"this folder lies in {what}; {_REMEDY}")
    for key, path in sources(settings):
        source = path.resolve()
        if source.is_relative_to(folder) or folder.is_relative_to(source):
            raise ValueError(f"this folder and {key} lie one in the other; {_REMEDY}")
    if any(map(is_root, folder.parents)):
        raise ValueError(f"this folder lies in another build; {_REMEDY}")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"this is a file; {_REMEDY}")
    if _is_foreign(folder):
        raise ValueError(f"this folder has files, but none of a build; {_REMEDY}")


def _is_foreign(folder: Path) -> bool:
    """Whether a folder has content, and nothing at its first level that a build makes."""
    patterns = [a.pattern for a in artifacts()] + [file.pattern for file in files()]
    made = {pattern.split("/")[0] for pattern in patterns}
    try:
        names = {path.name for path in folder.iterdir() if not is_hidden(path.name)}
    except OSError:  # there is none yet, or what it has is unknown
        return False
    return bool(names) and not names <= _LOGS and names.isdisjoint(made) and not is_root(folder)


def reserved_database_names() -> set[str]:
    """The folders and artifacts that lie beside or below those of a database, as declared."""
    folders = [file.pattern.rpartition("/")[0] for file in files()]
    paths = [path.split("/") for path in (*folders, *(a.pattern for a in artifacts()))]
    stages = {parts[0] for parts in paths if "{database}" in parts[1:2]}
    below = {part for parts in paths if parts[0] in stages for part in parts[1:]}
    return {part for part in below if "{" not in part}
