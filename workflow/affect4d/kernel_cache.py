"""A folder for the code that numba compiles, where neither the package's nor the home is writable.

Numba keeps it beside each module or in the user's cache folder, and refuses to import a module
where it can write to neither: a read-only installation, a container without a home folder.
"""

import os
import sys
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).parent
_VARIABLE = "NUMBA_CACHE_DIR"
_REMEDY = f"set {_VARIABLE} to a folder that you can write"
_fallback: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def ensure_cache_folder() -> None:
    """Give numba a temporary folder, and say so, where it could write nowhere.

    Programs that this one starts inherit it; what was compiled is lost at the end.
    """
    stated, home = os.environ.get(_VARIABLE), os.path.expanduser("~/.cache")  # noqa: PTH111
    user = Path(stated or Path(os.environ.get("XDG_CACHE_HOME") or home, "numba"))
    usable = is_writable(user) or (not stated and _are_modules_writable())
    where = f"{user} cannot" if stated else f"neither {user} nor {_PACKAGE} can"
    if usable:
        return
    try:
        _fallback.append(tempfile.TemporaryDirectory(prefix="affect4d-compiled-"))
    except OSError:
        _say(f"no folder for compiled code can be written, nor a temporary one; {_REMEDY}")
        return
    os.environ[_VARIABLE] = _fallback[-1].name
    _say(f"{where} be written: code is compiled again in every run; {_REMEDY}")


def _say(line: str) -> None:
    print(f"affect4d: {line}", file=sys.stderr)


def _are_modules_writable() -> bool:
    """Whether numba can write beside every module: other users may have made some folders."""
    return all(map(is_writable, (_PACKAGE, *_PACKAGE.rglob("__pycache__"))))


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, or in the nearest above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
