"""Figures of the code: lines and statements per package, parameters, undocumented constants.

python benchmarks/code_figures.py [FOLDER of the library, workflow/affect4d by default]

A constant counts as undocumented if it is a number, or holds one, and neither its line, the line
above, nor a comment that heads its group says anything. Functions that numba compiles are left out,
whose parameters are positional by nature.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LIBRARY = Path(__file__).parents[1] / "workflow" / "affect4d"
MANY = (5, 8)  # positional parameters


def main(library: Path) -> None:
    """Print all figures."""
    modules = {path: path.read_text(encoding="utf-8") for path in sorted(library.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in modules.items()}
    packages: dict[str, np.ndarray] = {}
    for path, text in modules.items():
        parts = path.relative_to(library).parts
        name = parts[0] if len(parts) > 1 else "(top)"
        own = np.array([text.count("\n"), statements(trees[path])])
        packages[name] = packages.get(name, np.zeros(2, int)) + own
    packages["all"] = np.sum(list(packages.values()), axis=0)
    for name, (lines, count) in packages.items():
        print(f"{name:16}{lines:8,} lines{count:8,} statements")
    print(f"{len(modules)} modules")
    counts = [n for tree in trees.values() for n in positional_parameters(tree)]
    for least in MANY:
        count = sum(n >= least for n in counts)
        print(f"functions with {least} or more positional parameters: {count}")
    print(f"functions with more than 3 positional parameters: {sum(n > 3 for n in counts)}")
    constants = [c for path, tree in trees.items() for c in numbers(tree, modules[path])]
    bare = [name for name, documented in constants if not documented]
    print(f"module constants that hold numbers: {len(constants)}, without a comment: {len(bare)}")
    longest, text = max(modules.items(), key=lambda module: module[1].count("\n"))
    print(f"longest module: {longest.relative_to(library)}, {len(text.splitlines())} lines")


def statements(tree: ast.Module) -> int:
    """How many statements a module has, docstrings not counted: formatting does not matter."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return sum(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in nodes
    )


def positional_parameters(tree: ast.Module) -> Iterator[int]:
    """The number of positional parameters of each function, self and cls not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not _is_compiled(node) and not _is_dunder(node):
            names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
            yield len(names) - (names[:1] in (["self"], ["cls"]))


def numbers(tree: ast.Module, text: str) -> Iterator[tuple[str, bool]]:
    """The module's constants that hold numbers, and whether a comment is at them."""
    lines = text.splitlines()
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        if not names or not all(name.isupper() for name in names) or not _holds_number(node.value):
            continue
        own = any("#" in line for line in lines[node.lineno - 1 : node.end_lineno])
        yield ", ".join(names), own or _is_headed(lines, node.lineno - 2)


def _is_headed(lines: list[str], above: int) -> bool:
    """Whether the lines above, up to an empty one, hold a comment."""
    while above >= 0 and lines[above].strip():
        if lines[above].startswith("#"):
            return True
        above -= 1
    return False


def _holds_number(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        for node in ast.walk(value)
    )


def _is_compiled(function: ast.FunctionDef) -> bool:
    return any("jit" in ast.unparse(decorator) for decorator in function.decorator_list)


def _is_dunder(function: ast.FunctionDef) -> bool:
    return function.name.startswith("__")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else LIBRARY)
