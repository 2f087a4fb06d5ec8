"""Which code an artifact was made by: a hash over a room's modules and all they import.

Comments, docstrings and layout do not count, so that a build re-runs for a change of meaning only.
"""

import ast
import functools
import hashlib
from pathlib import Path

_ROOT = Path(__file__).parent
_PACKAGE = _ROOT.name


def code_hash(*rooms: str) -> str:
    """Hash over the modules of `rooms` and, transitively, the modules of this package they import.

    Parameters
    ----------
    rooms : names of rooms ("registration") or modules ("audit.report")

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
    return digest.hexdigest()[:16]


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
