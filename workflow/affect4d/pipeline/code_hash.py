"""What a rule depends on beside its inputs: the code that it runs, and files outside the build.

Comments, docstrings and formatting of a package's modules, and of all that they import, do not
count, so that a build re-runs for a change of meaning only. Outside files count by name, size and
modification time.
"""

import ast
import functools
import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from affect4d.system_files import find_files

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT.name
_DATA = {".j2", ".yaml", ".pts"}
_WITHOUT_MEANING = {"ctx", "type_comment"}  # fields of a syntax tree: read or written, as it stands
_DIGITS = 16  # 64 bits: enough to tell the versions of one build apart, short enough for a log


def hash_code(*names: str, script: Path | None = None) -> str:
    """Digest of the modules and data of `names` and, transitively, of all modules they import.

    Parameters
    ----------
    names : packages ("registration") or modules ("report.page") of affect4d
    script : that a rule runs; its name does not count

    Raises
    ------
    ValueError
        A name that is neither.
    """
    seen: dict[str, Path] = {}
    queue = [path for name in names for path in _modules(name)]
    while queue:
        path = queue.pop()
        relative = path.relative_to(_ROOT).as_posix()
        if relative in seen:
            continue
        seen[relative] = path
        queue.extend(_read(path)[1])
    digest = hashlib.sha256()
    for relative in sorted(seen):
        digest.update(f"{relative} {_read(seen[relative])[0]}\n".encode())
    for path in sorted({path for name in names for path in _data(name)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(_ROOT).as_posix()} {content}\n".encode())
    if script is not None:
        digest.update(_read(script)[0].encode())
    return digest.hexdigest()[:_DIGITS]


def file_state(files: Iterable[Path]) -> str:
    """Digest of the names, sizes and modification times of the files that exist."""
    lines = []
    for path in sorted(files):
        try:
            state = path.stat()
        except OSError:
            continue
        if not stat.S_ISDIR(state.st_mode):
            lines.append(f"{path} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def content_hash(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:_DIGITS]


def _data(name: str) -> list[Path]:
    """The templates, layouts and landmarks beside a package's modules."""
    base = _ROOT.joinpath(*name.split("."))
    folder = base if base.is_dir() else base.parent
    return [p for p in find_files(folder, "**/*") if p.suffix in _DATA and p.is_file()]


def _modules(name: str) -> list[Path]:
    base = _ROOT.joinpath(*name.split("."))
    if base.is_dir():
        return list(find_files(base, "**/*.py"))
    if base.with_suffix(".py").is_file():
        return [base.with_suffix(".py")]
    raise ValueError(f"no package or module {name!r} in {_PACKAGE}")


@functools.cache
def _read(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Digest of a module's meaning, and the package's modules that it imports."""
    parts: list[str] = []
    imported: list[str] = []
    _describe(ast.parse(path.read_bytes()), parts, imported)
    meaning = hashlib.sha256("".join(parts).encode()).hexdigest()
    return meaning, tuple(path for name in imported for path in _resolve(name))


def _describe(node: ast.AST, parts: list[str], imported: list[str]) -> None:
    """Append a node's meaning to `parts`, and to `imported` the modules that it imports.

    One pass in place of `ast.dump` and `ast.walk`: every start of Snakemake reads all modules.
    """
    if isinstance(node, ast.Import):
        imported += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        imported += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    parts.append(f"({node.__class__.__name__}")
    for name in node._fields:
        if name in _WITHOUT_MEANING:
            continue
        value: Any = getattr(node, name, None)
        if name == "body" and _has_docstring(node):
            value = value[1:]
        if value.__class__ is not list:
            value = [value]
        parts.append(f" {name} {len(value)}:")
        for item in value:
            if isinstance(item, ast.AST):
                _describe(item, parts, imported)
            else:
                parts.append(f"{item!r};")
    parts.append(")")


def _has_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    )


def _resolve(name: str) -> list[Path]:
    parts = name.split(".")
    if parts[0] != _PACKAGE or len(parts) < 2:
        return []
    base = _ROOT.joinpath(*parts[1:])
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return [path for path in candidates if path.is_file()]
