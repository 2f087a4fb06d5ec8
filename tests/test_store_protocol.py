"""The commit: kills at random moments, two writers, exceptions, garbage collection."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from affect4d import store

KILLS = 25


def rewrite(path, ready):
    """Write ever new versions of one store and one file until killed."""
    version = 0
    while True:
        version += 1
        store.write(
            path, {"a": np.full((64, 50), version), "b": np.full(7, version)}, {"v": version}
        )
        with store.atomic(path.with_name("plain.txt")) as unfinished:
            unfinished.write_text(f"{version} " * 1000)
        ready.set()


def test_whatever_moment_a_writer_is_killed_nothing_invalid_is_visible(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zarr", "affect4d.store"])
    path, moments = tmp_path / "a.zarr", random.Random(0)
    for _ in range(KILLS):
        ready = context.Event()
        writer = context.Process(target=rewrite, args=(path, ready))
        writer.start()
        while not ready.wait(0.1):
            assert writer.is_alive()
        time.sleep(moments.uniform(0, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert_complete_or_absent(path)
        assert len(set((tmp_path / "plain.txt").read_text().split())) == 1
    store.write(path, {"a": np.zeros(3)})
    store.garbage_collect(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.manifest.json", "a.zarr", "plain.txt"]


def assert_complete_or_absent(path):
    if not path.with_suffix(".manifest.json").exists():
        with pytest.raises(store.StoreError, match="never committed"):
            store.open(path)
        return
    assert store.verify(path) == []
    opened = store.open(path)
    assert (opened["a"][...] == opened.attributes["v"]).all()
    assert (opened["b"][...] == opened.attributes["v"]).all()


def test_a_second_writer_fails_clearly_and_the_first_goes_on(tmp_path):
    path = tmp_path / "a.txt"
    with store.atomic(path) as unfinished:
        unfinished.write_text("first")
        with pytest.raises(store.StoreError, match=f"being written by process {os.getpid()}"):
            store.atomic(path).__enter__()
        assert store.garbage_collect(tmp_path) == []
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_in_another_process_holds_the_lock_until_it_dies(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path; from affect4d import store\n"
        "with store.atomic(Path(sys.argv[1])) as p:\n"
        "    p.write_text('x'); print('held', flush=True); time.sleep(60)"
    )
    path = tmp_path / "a.csv"
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "held\n"
        with pytest.raises(store.StoreError, match=f"process {writer.pid}"):
            store.atomic(path).__enter__()
        assert store.stale_temporaries(tmp_path) == [] == store.garbage_collect(tmp_path)
        writer.kill()
    stale = store.stale_temporaries(tmp_path)
    assert len(stale) == 1 and stale[0].suffix == ".csv" and str(writer.pid) in stale[0].name
    assert store.garbage_collect(tmp_path) == stale
    assert list(tmp_path.iterdir()) == []


def test_a_new_writer_clears_what_killed_ones_left_of_its_artifact_only(tmp_path):
    (tmp_path / ".a.zarr.tmp-elsewhere-1-0").mkdir()
    (tmp_path / ".a.zarr.tmp-elsewhere-1-0/c").write_text("x")
    (tmp_path / ".b.zarr.tmp-elsewhere-1-0").mkdir()
    store.write(tmp_path / "a.zarr", {"a": np.ones(2)})
    assert [p.name for p in store.stale_temporaries(tmp_path)] == [".b.zarr.tmp-elsewhere-1-0"]


def test_an_exception_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), store.atomic(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_manifest_is_renamed_last_and_the_old_one_first(tmp_path, monkeypatch):
    path, manifest, seen = tmp_path / "a.zarr", tmp_path / "a.manifest.json", []
    store.write(path, {"a": np.ones(2)})
    rename = os.rename

    def watch(source, target):
        rename(source, target)
        seen.append((path.exists(), manifest.exists()))

    monkeypatch.setattr(os, "rename", watch)
    with store.atomic_replace(path, None) as unfinished:
        unfinished.mkdir()
    assert seen == [(True, False), (False, False), (True, False), (True, True)]


@pytest.mark.parametrize("failing", range(4))
def test_a_failed_commit_restores_the_old_artifact(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.zarr"
    store.write(path, {"a": np.ones(2)})
    before = sorted(tmp_path.rglob("*"))
    rename, calls = os.rename, iter(range(100))

    def fail(source, target):
        if next(calls) == failing:
            raise OSError("disk")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="disk"), store.atomic_replace(path, None) as unfinished:
        unfinished.mkdir()
    assert sorted(tmp_path.rglob("*")) == before and store.verify(path) == []


def test_what_reads_back_differently_is_not_committed(tmp_path, monkeypatch):
    monkeypatch.setattr(store.groups, "_write_group", corrupting(store.groups._write_group))
    with pytest.raises(store.StoreError, match="read back differs"):
        store.write(tmp_path / "a.zarr", {"a": np.ones(2)})
    assert list(tmp_path.iterdir()) == []


def corrupting(write_group):
    def write(folder, arrays, attributes):
        write_group(folder, {name: array + 1 for name, array in arrays.items()}, attributes)

    return write
