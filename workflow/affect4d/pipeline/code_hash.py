"""What a rule depends on beside its inputs: the code that it runs, and files outside the build.

Of a room's modules and all they import, comments, docstrings and layout do not count, so that a
build re-runs for a change of meaning only. Outside files count by name, size and time.
"""

import ast
import functools
import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT.name
_DATA = {".j2", ".yaml", ".pts"}


def code_hash(*rooms: str) -> str:
    """Hash over the modules and data of `rooms` and, transitively, all modules they import.

    Parameters
    ----------
    rooms : names of rooms ("registration") or modules ("report.report")

    Raises
    ------
    ValueError
        A name that is neither.
    """
    seen: dict[str, Path] = {}
    queue = [path for room in rooms for path in _modules(room)]
    while queue:
        path = queue.pop()
        name = path.relative_to(_ROOT).as_posix()
        if name in seen:
            continue
        seen[name] = path
        queue.extend(_read(path)[1])
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(f"{name} {_read(seen[name])[0]}\n".encode())
    for path in sorted({path for room in rooms for path in _data(room)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(_ROOT).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def file_state(files: Iterable[Path]) -> str:
    """Digest of the names, sizes and times of change of the files that are there."""
    lines = []
    for path in sorted(files):
        try:
            state = path.stat()
        except OSError:
            continue
        if not stat.S_ISDIR(state.st_mode):
            lines.append(f"{path} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def content_hash(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def _data(name: str) -> list[Path]:
    """The templates, layouts and landmarks that lie among a room's modules."""
    base = _ROOT.joinpath(*name.split("."))
    folder = base if base.is_dir() else base.parent
    return [p for p in folder.rglob("*") if p.suffix in _DATA and p.is_file()]


def _modules(name: str) -> list[Path]:
    base = _ROOT.joinpath(*name.split("."))
    if base.is_dir():
        return sorted(base.rglob("*.py"))
    if base.with_suffix(".py").is_file():
        return [base.with_suffix(".py")]
    raise ValueError(f"no room or module {name!r} in {_PACKAGE}")


@functools.cache
def _read(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Digest of a module's meaning, and the package's modules that it imports."""
    tree = ast.parse(path.read_bytes())
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    meaning = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return meaning, tuple(path for name in imported for path in _resolve(name))


def _resolve(name: str) -> list[Path]:
    parts = name.split(".")
    if parts[0] != _PACKAGE or len(parts) < 2:
        return []
    base = _ROOT.joinpath(*parts[1:])
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return [path for path in candidates if path.is_file()]
