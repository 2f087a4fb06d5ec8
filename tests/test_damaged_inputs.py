"""What a job reads of a build is what was written: damaged tables, stores and files are refused."""

import ast
import os
from pathlib import Path

import pandas as pd
import pytest
from support.fault_injection import inputs
from support.recorded import record

import affect4d
from affect4d.artifacts import affectspace, neutrals
from affect4d.artifacts.reading import open_file
from affect4d.formats.content import read_content
from affect4d.quarantine import BadInput
from affect4d.store import StoreError

TABLE = pd.DataFrame({"class": [1, 2], "count": [-3.5, 4]})


@pytest.fixture
def table(tmp_path):
    """A table of a build, in folders that have the names of a build's own."""
    root = tmp_path / "dataset/affectspace"
    path = affectspace.CLASSES.path(root)
    path.parent.mkdir(parents=True)
    TABLE.to_parquet(path)
    record(root, path)
    return path


def test_no_entry_uses_a_damaged_input(tmp_path):
    roots = inputs.build_small(tmp_path)
    found = inputs.damage_inputs(tmp_path, roots, inputs.SMALL, count=18, seed=0)
    assert found.used == []
    assert found.tried.total() == 18
    assert found.refused.total() >= 14


def test_a_table_is_read_as_it_was_written(table, monkeypatch):
    pd.testing.assert_frame_equal(pd.read_parquet(open_file(table)), TABLE)
    monkeypatch.chdir(table.parent)
    pd.testing.assert_frame_equal(pd.read_parquet(open_file(table.name)), TABLE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes in place of"),
        (lambda path: path.write_bytes(path.read_bytes()[::-1]), "other content than was written"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "no regular file"),
        (lambda path: (path.rename(path.with_name("a")), path.symlink_to("a")), "cannot be read"),
        (
            lambda path: affectspace.AFFECT_SPACE.manifest(path.parents[1]).unlink(),
            "no manifest: the artifact was never committed",
        ),
        (
            lambda path: affectspace.AFFECT_SPACE.manifest(path.parents[1]).write_text("{}"),
            "the manifest cannot be read",
        ),
    ],
)
def test_what_was_not_written_is_refused_with_a_remedy(table, damage, message):
    pd.read_parquet(open_file(table))  # the manifest was read before
    damage(table)
    with pytest.raises(StoreError, match=message) as caught:
        open_file(table)
    assert "snakemake" in str(caught.value)


def test_a_table_that_was_written_anew_is_read_anew(table):
    open_file(table)
    changed = TABLE.assign(count=1.0)
    changed.to_parquet(table)
    record(table.parents[1], table)
    assert pd.read_parquet(open_file(table))["count"].tolist() == [1, 1]


def test_only_what_its_manifest_lists_is_a_part_of_the_build(tmp_path, table):
    other = table.with_name("frames.parquet")
    TABLE.to_parquet(other)
    with pytest.raises(StoreError, match=r"is not listed in affectspace\.manifest\.json"):
        open_file(other)
    with pytest.raises(StoreError, match="no artifact of a build has such a file"):
        open_file(tmp_path / "table.csv")


def test_files_that_formats_read_are_held_to_the_manifest_where_there_is_one(tmp_path):
    image = neutrals.IMAGE.path(tmp_path, database="mine", image_id="a")
    image.parent.mkdir(parents=True)
    image.write_bytes(b"a picture")
    assert read_content(image, 100, "image") == b"a picture"  # it belongs to no build
    record(tmp_path, image)
    assert read_content(image, 100, "image") == b"a picture"
    image.write_bytes(b"A picture")
    with pytest.raises(StoreError, match="other content than was written"):
        read_content(image, 100, "image")
    image.unlink()
    with pytest.raises(StoreError, match="is missing"):
        read_content(image, 100, "image")
    with pytest.raises(BadInput, match="does not exist"):
        read_content(tmp_path / "outside/a.png", 100, "image")


# a dataset may have been copied: its shards are compared with its own checksums
PUBLISHED = ("dataset/published.py", "dataset/label_shards.py", "dataset/traces.py")
# an experiment's own folder, a file of the user's: no part of a build
TRAINING = tuple(
    f"training/{name}"
    for name in ("audit.py", "faces.py", "report.py", "model_report.py", "face_set.py", "pytorch/")
)


def test_tables_are_read_in_one_place():
    """What a job parses is `open_file(...)`; others check their files themselves, or own none."""
    package = Path(affect4d.__file__).parent
    own_checks = (
        "audit",
        "provenance",
        "formats",
        "gallery/user_table.py",
        "artifacts/reading.py",
        *PUBLISHED,
        *TRAINING,
    )
    readers = {"read_csv", "read_parquet", "read_table", "ParquetFile"}
    found = []
    for path in [*package.rglob("*.py"), *(package.parent / "scripts").glob("*.py")]:
        name = path.relative_to(package.parent).as_posix()
        if name.removeprefix("affect4d/").startswith(own_checks):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_held = node.args and ast.unparse(node.args[0]).startswith("open_file(")
            if node.func.attr in readers and not is_held:
                found.append(f"{name}: {ast.unparse(node)}")
    # how long jobs took is Snakemake's to write, and in no manifest
    assert found == ["affect4d/report/sections.py: pd.read_csv(path, sep='\\t')"]
