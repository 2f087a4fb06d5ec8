"""A build archived and restored: the same bytes, whatever is left out is proven still."""

import shutil
import zipfile
from pathlib import Path

import pytest
from support.folder_content import content
from support.small_crate import add_crate
from typer.testing import CliRunner

from affect4d import audit
from affect4d.cli import app
from affect4d.provenance.archive import archive_build, restore_build
from affect4d.store import StoreError
from affect4d.store.build_root import is_root
from affect4d.store.protocol import LIST

SCANS = "registered"


@pytest.fixture(scope="module")
def build(small_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(small_build, folder, dirs_exist_ok=True)
    return add_crate(folder)


@pytest.fixture(scope="module")
def archived(build, tmp_path_factory):
    out = tmp_path_factory.mktemp("archive") / "build.zip"
    archive_build(build, out)
    return out


@pytest.fixture
def partial(build, tmp_path):
    """An archive without the registered sequences."""
    archive_build(build, tmp_path / "partial.zip", without=[SCANS])
    return tmp_path / "partial.zip"


def rewritten(archive, out, **changed):
    """A copy of an archive in which members have other bytes, or none (None)."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w") as target:
        for info in source.infolist():
            data = changed.pop(info.filename, source.read(info))
            if data is not None:
                target.writestr(info.filename, data)
        for name, data in changed.items():
            target.writestr(name, data)
    return out


def test_what_is_restored_is_the_build_byte_for_byte(build, archived, tmp_path):
    restore_build(archived, tmp_path / "results")
    # a folder that a job wrote has a list of its files, most of the small build's have none
    folders = (content(tmp_path / "results"), content(build))
    restored, archived = ({n: c for n, c in f.items() if Path(n).name != LIST} for f in folders)
    assert restored == archived
    assert audit.audit_build(tmp_path / "results").intact
    times = {path.stat().st_mtime for path in (tmp_path / "results").rglob("*.manifest.json")}
    assert len(times) == 1


def test_the_same_build_gives_the_same_archive(build, archived, tmp_path):
    archive_build(build, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archived.read_bytes()


def test_metadata_of_the_crate_lies_at_the_root_of_the_archive(archived):
    with zipfile.ZipFile(archived) as archive:
        assert "ro-crate-metadata.json" in archive.namelist()
        assert archive.testzip() is None


def test_what_is_left_out_is_neither_restored_nor_missed(build, partial, tmp_path):
    restored = restore_build(partial, tmp_path / "results")
    assert restored.left_out and all(name.startswith(SCANS) for name in restored.left_out)
    assert not (tmp_path / "results" / SCANS).exists()
    verdict = audit.audit_build(tmp_path / "results")
    assert verdict.intact, verdict.text()
    assert any("registered/s1" in note and "not checked" in note for note in verdict.notes)
    archive_build(tmp_path / "results", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == partial.read_bytes()


def test_another_version_of_what_was_left_out_is_found(build, partial, tmp_path):
    restore_build(partial, tmp_path / "results")
    left = next((tmp_path / "results/left_out").rglob("s1.manifest.json"))
    left.write_bytes(left.read_bytes().replace(b'"item"', b'"itEm"'))
    assert not audit.audit_build(tmp_path / "results").intact


def test_what_was_left_out_and_is_there_again_is_checked(build, partial, tmp_path):
    restore_build(partial, tmp_path / "results")
    shutil.copytree(build / SCANS, tmp_path / "results" / SCANS)
    again = audit.audit_build(tmp_path / "results")
    assert again.intact and not any("not checked" in note for note in again.notes)
    chunk = next((tmp_path / "results" / SCANS).rglob("c/0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert not audit.audit_build(tmp_path / "results").intact


def test_explain_says_what_the_archive_lacks(partial, tmp_path):
    restore_build(partial, tmp_path / "results")
    done = CliRunner().invoke(app, ["explain", "registered/s1", str(tmp_path / "results")])
    assert done.exit_code and "not in the archive" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"dataset/README.md": b"other"},
        {"dataset/README.md": None},
        {"dataset.manifest.json": b"{}"},
        {"dataset/foreign.txt": b"not listed"},
        {"../outside.txt": b"outside"},
        {"/tmp/outside.txt": b"outside"},
        {"dataset/../../outside.txt": b"outside"},
        {"left_out/registered/s1.manifest.json": b"{}"},
    ],
    ids=lambda change: str(*change),
)
def test_a_damaged_archive_leaves_nothing(archived, tmp_path, change):
    damaged = rewritten(archived, tmp_path / "damaged.zip", **change)
    with pytest.raises(StoreError, match=r"damaged\.zip: "):
        restore_build(damaged, tmp_path / "new/results")
    assert content(tmp_path / "new") == {}
    assert not (tmp_path / "outside.txt").exists()


def test_an_archive_that_was_compressed_is_refused_before_anything_is_unpacked(archived, tmp_path):
    with (
        zipfile.ZipFile(archived) as source,
        zipfile.ZipFile(tmp_path / "small.zip", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    with pytest.raises(StoreError, match="is compressed"):
        restore_build(tmp_path / "small.zip", tmp_path / "new/results")
    assert content(tmp_path / "new") == {}


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_cut_archive_leaves_nothing(archived, tmp_path, cut):
    (tmp_path / "cut.zip").write_bytes(archived.read_bytes()[:cut])
    with pytest.raises(StoreError, match=r"cut\.zip"):
        restore_build(tmp_path / "cut.zip", tmp_path / "new/results")
    assert content(tmp_path / "new") == {}


def test_only_a_new_or_empty_folder_becomes_a_build(archived, tmp_path):
    (tmp_path / "mine").mkdir()
    restore_build(archived, tmp_path / "mine")
    assert is_root(tmp_path / "mine")
    before = content(tmp_path / "mine")
    with pytest.raises(StoreError, match="not an empty folder"):
        restore_build(archived, tmp_path / "mine")
    assert content(tmp_path / "mine") == before


@pytest.mark.parametrize("name", ["there.zip", "other.tar", "results/inside.zip"])
def test_an_archive_replaces_nothing(build, tmp_path, name):
    root = shutil.copytree(build, tmp_path / "results")
    (tmp_path / "there.zip").write_bytes(b"mine")
    before = content(tmp_path)
    done = CliRunner().invoke(app, ["archive", str(root), "-o", str(tmp_path / name)])
    assert done.exit_code == 1 and content(tmp_path) == before


def test_a_damaged_build_is_not_archived(build, tmp_path):
    root = shutil.copytree(build, tmp_path / "results")
    (root / "dataset/README.md").write_bytes((root / "dataset/README.md").read_bytes()[::-1])
    with pytest.raises(StoreError, match="other content"):
        archive_build(root, tmp_path / "build.zip")
    assert not (tmp_path / "build.zip").exists()


def test_a_name_of_no_artifact_is_refused(build, tmp_path):
    with pytest.raises(StoreError, match="no artifact has this name"):
        archive_build(build, tmp_path / "build.zip", without=["registred"])


def test_commands_say_what_they_did(build, tmp_path):
    run = lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])  # noqa: E731
    done = run("archive", build, "-o", tmp_path / "a.zip", "--without", SCANS)
    assert done.exit_code == 0 and "left out: registered/" in done.stdout
    done = run("restore", tmp_path / "a.zip", tmp_path / "results")
    assert done.exit_code == 0 and "artifacts" in done.stdout
