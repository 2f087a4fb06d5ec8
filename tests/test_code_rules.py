"""Rules that the text and the signatures of the whole repository keep to.

Plain technical English: the words listed here are the ones that are easiest to fall back into, each
with what to say instead. Functions take at most three positional parameters and are not named like
their module.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "workflow" / "affect4d"
MOST_POSITIONAL = 3
FOLDERS = ("workflow", "tests", "benchmarks", "docs", "profiles", "envs", "config", ".ci")
FILES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Snakefile",
    "config.yaml",
)  # fmt: skip
KINDS = {".py", ".smk", ".md", ".j2", ".yaml", ".txt", ".rst", ".run", ""}

COUNTED = "rows?|lines?|images?|frames?|components?|columns?|bytes|MB|GB|kB|ms|points?|files?"
GROUPS = (
    "scan|frame|class|image|person|subject|photograph|picture|database|job|sequence|vertex|point|"
    "chunk|rule|file|row|store|minute|second|hour|face"
)
WORDS = {
    r"mend(s|ed|ing)?": "correct, fix",
    r"lest": "so that ... not",
    r"heed(s|ed|ing)?": "ignore, follow",
    r"rooms?": "package, stage; space, for a disk",
    r"thereof|whence|whilst|amongst|hitherto|henceforth|herein": "the modern word",
    r"kept aside|sets? aside|laid aside": "keep apart, leave out",
    r"(comes?|came|brought) to light": "becomes visible",
    r"could not look": "the audit failed to run",
    r"records nobody|names nobody": "has no recording settings, names no person",
    r"(is|are|was|were) there twice": "duplicate",
    r"doubtful": "rejected",
    r"standings?": "status",
    r"spoilers?": "malformed files",
    r"settle[sd]?|settling": "converge, smooth, refine",
    r"judge[sd]?|judging": "check, decide",
    rf"({COUNTED}) an? ({GROUPS})": "per",
}  # fmt: skip
PATTERN = re.compile(
    "|".join(rf"(?P<w{i}>\b(?:{word})\b)" for i, word in enumerate(WORDS)), re.IGNORECASE
)


def texts() -> Iterator[Path]:
    paths = [ROOT / name for name in FILES]
    for folder in FOLDERS:
        paths += sorted((ROOT / folder).rglob("*"))
    for path in paths:
        ignored = path == Path(__file__) or {"__pycache__", "pictures"} & set(path.parts)
        if path.is_file() and path.suffix in KINDS and not ignored:
            yield path


def test_no_text_falls_back_into_words_that_the_project_replaced():
    wrong = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for match in PATTERN.finditer(line):
                instead = list(WORDS.values())[int(str(match.lastgroup)[1:])]
                place = f"{path.relative_to(ROOT)}:{number}"
                wrong.append(f"{place}: {match[0]!r}; say: {instead}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    ["one row a scan", "Mend it", "the room of validation", "is there twice", "lest splits leak"],
)
def test_the_check_finds_what_it_is_for(text):
    assert PATTERN.search(text)


@pytest.mark.parametrize(
    "text",
    ["one row per scan", "recommended", "at least", "mushrooms", "a row, a scan", "amendment"],
)
def test_the_check_leaves_standard_words_alone(text):
    assert not PATTERN.search(text)


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield path, node


@cache
def compilers(path: Path) -> set[str]:
    """Names that the module gives to numba's decorators."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assigned = [node for node in body if isinstance(node, ast.Assign)]
    return {ast.unparse(n.targets[0]) for n in assigned if "numba." in ast.unparse(n.value)}


def test_parameters_beyond_the_third_are_keyword_only():
    wrong = []
    for path, function in functions():
        decorators = {ast.unparse(decorator) for decorator in function.decorator_list}
        compiled = any("jit" in each for each in decorators) or decorators & compilers(path)
        command = any(".command" in each for each in decorators)
        if compiled or command or (function.name.startswith("__") and function.name != "__init__"):
            continue
        names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        if len(names) - (names[:1] in (["self"], ["cls"])) > MOST_POSITIONAL:
            wrong.append(f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_function_is_named_like_its_module():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(LIBRARY.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == path.stem
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_file_says_in_whole_sentences_what_it_is():
    said = {path: ast.get_docstring(ast.parse(path.read_text())) for path in LIBRARY.rglob("*.py")}
    wrong = [path.name for path, text in said.items() if not (text or "").endswith((".", "?"))]
    assert not wrong


def test_kernels_that_call_each_other_round_alike_however_they_are_compiled():
    """With fastmath a compiled callee and its copy in its caller may round differently.

    Which of the two runs depends on numba's cache: the same edit gave other bytes in a process that
    compiled the kernels than in one that loaded them. A loop that calls no other kernel has one
    version only.
    """
    found = {
        f"{path.relative_to(LIBRARY)}: {function.name}"
        for path, function in functions()
        if any("fastmath" in ast.unparse(each) for each in function.decorator_list)
    }
    assert found == {"registration/spline.py: _combine"}


def imports(path: Path) -> set[str]:
    """The modules of the library that a file imports at any time, packages left out."""
    names = set()
    tree = ast.parse(path.read_text())
    typed = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]  # fmt: skip
    left_out = {inner for node in typed for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in left_out and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names


def test_files_import_one_another_one_way():
    modules = {
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts): path
        for path in LIBRARY.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {name: imports(path) & modules.keys() for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # raises where they go round
