"""The code hash follows meaning and imports, and nothing else."""

import os
import shutil

import pytest

import affect4d
from affect4d.pipeline import code_hash


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the package that a test may change."""
    copy = tmp_path / "affect4d"
    shutil.copytree(affect4d.__path__[0], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_hash, "_ROOT", copy)
    code_hash._read.cache_clear()
    yield copy
    code_hash._read.cache_clear()


def after(tree, file, change, *packages):
    path = tree / file
    path.write_text(change(path.read_text()))
    code_hash._read.cache_clear()
    return code_hash.hash_code(*packages)


def test_a_comment_or_docstring_changes_nothing(tree):
    before = code_hash.hash_code("registration")
    assert (
        after(tree, "registration/spline.py", lambda t: t + "\n# a remark\n", "registration")
        == before
    )
    assert (
        after(
            tree,
            "registration/spline.py",
            lambda t: t.replace('"""', '"""Other words. ', 1),
            "registration",
        )
        == before
    )


def test_a_statement_changes_the_package_and_what_imports_it(tree):
    packages = ("affectspace", "registration", "fitting")
    before = {package: code_hash.hash_code(package) for package in packages}
    for package in packages:
        now = after(
            tree,
            "geometry/similarity.py" if package == "registration" else f"{package}/__init__.py",
            lambda t: t + "\nADDED = 1\n",
            package,
        )
        assert now != before[package], package


def test_a_change_below_leaves_the_packages_that_follow_alone(tree):
    before = code_hash.hash_code("registration")
    assert (
        after(tree, "synthesis/__init__.py", lambda t: t + "\nADDED = 1\n", "registration")
        == before
    )


def test_a_module_can_be_named_and_an_unknown_name_is_an_error(tree):
    assert code_hash.hash_code("report.page") != code_hash.hash_code("plotting.montage")
    with pytest.raises(ValueError, match="no package or module"):
        code_hash.hash_code("nowhere")


def test_the_templates_and_layouts_count_too(tree):
    before = code_hash.hash_code("dataset"), code_hash.hash_code("registration")
    card = tree / "dataset" / "card.md.j2"
    card.write_text(card.read_text() + "\nOne more line.\n")
    assert code_hash.hash_code("dataset") != before[0]
    assert code_hash.hash_code("registration") == before[1]


def test_outside_files_count_by_name_size_and_time(tmp_path):
    file = tmp_path / "scan.ply"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    before = code_hash.file_state([file])
    assert code_hash.file_state([file, tmp_path / "absent.ply", tmp_path]) == before
    os.utime(file, (1, 2))
    touched = code_hash.file_state([file])
    file.write_bytes(b"other")
    os.utime(file, (1, 2))
    assert len({before, touched, code_hash.file_state([file])}) == 3


def test_a_script_counts_by_what_it_does_and_not_by_its_place(tmp_path):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("print(1)\n")
    other.write_text("print(1)  # as above\n")
    before = code_hash.hash_code("registration", script=one)
    assert before == code_hash.hash_code("registration", script=other)
    changed = tmp_path / "changed.py"
    changed.write_text("print(2)\n")
    assert before != code_hash.hash_code("registration", script=changed)
    assert before != code_hash.hash_code("registration")
