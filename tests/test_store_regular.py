"""Links, pipes, devices, other names of a file: nothing outside a build is written or awaited."""

import os
import socket

import pytest

from affect4d import store
from affect4d.audit import journal
from affect4d.store import protocol
from affect4d.store.build_root import CONTENT, MARKER
from affect4d.store.regular import open_regular, read_regular

PRECIOUS = b"a file of the user"


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside.txt"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / MARKER).write_bytes(CONTENT)
    return folder


def special(path, kind, outside):
    """Put something that is no regular file of its own at `path`."""
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "hard link":
        path.hardlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/full")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))


KINDS = ["link", "hard link", "pipe", "device", "socket"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_regular_file_with_one_name_is_opened_for_writing(results, outside, kind):
    special(results / "a", kind, outside)
    with pytest.raises(OSError):
        open_regular(results / "a", os.O_RDWR | os.O_CREAT)
    if kind != "hard link":  # which is read as any file
        with pytest.raises(OSError):
            read_regular(results / "a")
    assert outside.read_bytes() == PRECIOUS


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_is_none_is_refused_by_writers_and_left_by_the_search(results, outside, kind):
    special(results / ".a.txt.lock", kind, outside)
    before = (results / ".a.txt.lock").lstat()
    with pytest.raises(store.StoreError, match=r"\.a\.txt\.lock: "):
        store.atomic(results / "a.txt").__enter__()
    assert store.garbage_collect(results) == []
    assert (results / ".a.txt.lock").lstat() == before and outside.read_bytes() == PRECIOUS


def test_a_file_that_is_named_like_a_lock_and_holds_something_else_is_kept(results):
    (results / ".a.txt.lock").write_bytes(PRECIOUS)
    with pytest.raises(store.StoreError, match="is not a lock of this program; move it away"):
        store.atomic(results / "a.txt").__enter__()
    store.garbage_collect(results)
    assert (results / ".a.txt.lock").read_bytes() == PRECIOUS


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_or_an_input_that_is_no_file_is_refused_at_once(results, outside, kind):
    special(results / "a.manifest.json", kind, outside)
    with pytest.raises(store.StoreError, match=r"cannot be read|not what was written"):
        store.read_manifest(results / "a.manifest.json")
    special(results / "input", kind, outside)
    made_from = store.Provenance(results, "rule", "item", [results / "input"])
    if kind != "hard link":
        with pytest.raises(store.StoreError, match="input: "):
            made_from.describe()


def test_an_input_outside_may_be_a_link_to_a_file_and_no_pipe(results, outside):
    (outside.parent / "link").symlink_to(outside)
    os.mkfifo(outside.parent / "pipe")
    made_from = store.Provenance(results, "rule", "item", [outside.parent / "link"])
    assert made_from.describe()["inputs"] == {str(outside.parent / "link"): store.digest(outside)}
    with pytest.raises(store.StoreError, match="no regular file"):
        store.Provenance(results, "rule", "item", [outside.parent / "pipe"]).describe()


@pytest.mark.parametrize("kind", KINDS)
def test_the_journal_of_an_audit_is_a_file_of_its_own_or_none_is_kept(results, outside, kind):
    special(results / journal.NAME, kind, outside)
    with journal.Journal(results) as kept:
        kept.keep(outside, outside.stat(), "0" * 64)
        kept.finish()
    assert outside.read_bytes() == PRECIOUS and os.path.lexists(results / journal.NAME)


@pytest.mark.parametrize("below", ["linked", "linked/deeper"])
def test_nothing_is_written_through_a_link_to_a_folder_of_a_build(results, tmp_path, below):
    (tmp_path / "elsewhere").mkdir()
    (results / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(store.StoreError, match="linked: this folder of a build is a symbolic link"):
        store.write(results / below / "a.zarr", {})
    with pytest.raises(store.StoreError), protocol.lock(results / "linked/a.zarr"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_results_folder_may_be_a_link_itself(results, tmp_path):
    (tmp_path / "link").symlink_to(results)
    with store.atomic(tmp_path / "link/a.txt") as unfinished:
        unfinished.write_text("x")
    assert (results / "a.txt").read_text() == "x"
