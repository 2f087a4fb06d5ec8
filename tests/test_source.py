"""The code hash follows meaning and imports, and nothing else."""

import os
import shutil

import pytest

import affect4d
from affect4d.pipeline import code_hash as source


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the package that a test may change."""
    copy = tmp_path / "affect4d"
    shutil.copytree(affect4d.__path__[0], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(source, "_ROOT", copy)
    source._read.cache_clear()
    yield copy
    source._read.cache_clear()


def after(tree, file, change, *rooms):
    path = tree / file
    path.write_text(change(path.read_text()))
    source._read.cache_clear()
    return source.code_hash(*rooms)


def test_a_comment_or_docstring_changes_nothing(tree):
    before = source.code_hash("registration")
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


def test_a_statement_changes_the_room_and_what_imports_it(tree):
    rooms = ("affectspace", "registration", "fitting")
    before = {room: source.code_hash(room) for room in rooms}
    for room in rooms:
        now = after(
            tree,
            "geometry/similarity.py" if room == "registration" else f"{room}/__init__.py",
            lambda t: t + "\nADDED = 1\n",
            room,
        )
        assert now != before[room], room


def test_a_change_below_leaves_the_rooms_above_alone(tree):
    before = source.code_hash("registration")
    assert (
        after(tree, "synthesis/__init__.py", lambda t: t + "\nADDED = 1\n", "registration")
        == before
    )


def test_a_module_can_be_named_and_an_unknown_room_is_an_error(tree):
    assert source.code_hash("report.report") != source.code_hash("plotting.montage")
    with pytest.raises(ValueError, match="no room"):
        source.code_hash("kitchen")


def test_a_rooms_templates_and_layouts_count_too(tree):
    before = source.code_hash("dataset"), source.code_hash("registration")
    card = tree / "dataset" / "card.md.j2"
    card.write_text(card.read_text() + "\nOne more line.\n")
    assert source.code_hash("dataset") != before[0]
    assert source.code_hash("registration") == before[1]


def test_outside_files_count_by_name_size_and_time(tmp_path):
    file = tmp_path / "scan.ply"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    before = source.file_state([file])
    assert source.file_state([file, tmp_path / "absent.ply", tmp_path]) == before
    os.utime(file, (1, 2))
    touched = source.file_state([file])
    file.write_bytes(b"other")
    os.utime(file, (1, 2))
    assert len({before, touched, source.file_state([file])}) == 3
