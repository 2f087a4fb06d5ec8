"""Paths that come from data stay under their root."""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from affect4d.quarantine import BadInput

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_MAX_SHOWN = 100  # characters of a name in a message


def inside(root: Path | str, relative: Path | str) -> Path:
    """The path `relative` under `root`.

    Raises
    ------
    BadInput
        The path is absolute, contains `..`, or resolves (through links) outside the root.
    """
    text = str(relative)
    pure = PurePosixPath(text.replace("\\", "/"))
    if not text or pure.is_absolute() or ".." in pure.parts or "\0" in text:
        raise BadInput(
            text, f"the path must stay under {root}", "give a relative path without '..'"
        )
    path = Path(root, *pure.parts)
    try:
        is_inside = path.resolve().is_relative_to(Path(root).resolve())
    except UnicodeEncodeError:  # lone surrogates, as JSON can hold
        raise BadInput(text, "no file has such a name", "correct the name") from None
    except (OSError, RuntimeError):  # Python 3.11 raises RuntimeError of a loop
        raise BadInput(
            text, "the path cannot be followed (a loop of links?)", "give the file itself"
        ) from None
    if not is_inside:
        raise BadInput(text, f"the path leads out of {root}", "replace the link by the file itself")
    return path


def beside(path: Path | str, name: str, *, folder: str = ".") -> Path:
    """The file `name`, as a scan's file gives it, in the folder of the scan's file `path`.

    Where there is none, the only file there whose name differs in upper and lower case, or in the
    encoding of its accents, if there is one.

    Parameters
    ----------
    path : the scan's file
    name : relative to `folder`; backslashes separate folders as well
    folder : relative to that of `path`

    Raises
    ------
    BadInput
        As for `inside`; the message names the scan's file.
    """
    path = Path(path)
    relative = posixpath.normpath(posixpath.join(folder, name.replace("\\", "/"))) if name else ""
    try:
        found = inside(path.parent, relative)
    except BadInput as problem:
        shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}..."
        raise BadInput(path, f"it names {shown!r}: {problem.rule}", problem.remedy) from None
    return found if os.path.lexists(found) else _in_other_case(path.parent, relative) or found


def _in_other_case(root: Path, relative: str) -> Path | None:
    """The path as it is spelt on disk; None where no name fits, or several do."""
    path = root
    for part in PurePosixPath(relative).parts:
        if not os.path.lexists(path / part):
            key = unicodedata.normalize("NFC", part).casefold()
            try:
                fitting = [
                    name
                    for name in os.listdir(path)  # noqa: PTH208 (a folder may hold 100,000 files)
                    if unicodedata.normalize("NFC", name).casefold() == key
                ]
            except OSError:
                return None
            if len(fitting) != 1:
                return None
            part = fitting[0]
        path = path / part
    return inside(root, path.relative_to(root))


def find_beside(path: Path, suffixes: Iterable[str]) -> Path | None:
    """The file that differs from `path` by its suffix only: the first of the suffixes that exists.

    Parameters
    ----------
    path : a file
    suffixes : in lower case; a file's own may be in upper case
    """
    for suffix in suffixes:
        for spelling in (suffix, suffix.upper(), suffix.title()):
            beside = path.with_suffix(spelling)
            if beside.is_file():
                return beside
    return None


def safe_name(name: object, file: object) -> str:
    """`name`, if it can serve as a file name unchanged.

    Raises
    ------
    BadInput
        `name` holds anything but letters, digits and `. _ + -`, or starts with a sign.
    """
    text = str(name)
    if not _SAFE_NAME.fullmatch(text):
        raise BadInput(
            file,
            f"the name {text!r} cannot serve as a file name",
            "use at most 100 letters, digits, '.', '_', '+', '-', a letter or digit first",
        )
    return text
