"""Injected faults: kills, disks, damage, writers, clocks; larger runs in benchmarks/faults.py."""

import errno
import multiprocessing
import os
import random
from contextlib import suppress

import numpy as np
import pytest
from support.fault_injection import disks
from support.fault_injection.damage import Drill, kind, two_builds
from support.fault_injection.kills import (
    KINDS,
    inside,
    kill_writers,
    visible_version,
    write_version,
)
from support.fault_injection.writers import race

from affect4d import store
from affect4d.audit import audit_build


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    return two_builds(tmp_path_factory.mktemp("builds"))


@pytest.fixture
def disk(tmp_path):
    with disks.small_disk(tmp_path / "disk", 2**22) as mounted:
        if mounted is None:
            pytest.skip("mounting a small disk needs root")
        yield mounted


def test_nothing_invalid_is_visible_after_a_kill_at_any_stage(tmp_path):
    died = kill_writers(tmp_path, 24)
    assert inside(died) >= 8, died
    for name in KINDS:
        write_version(tmp_path, name, 1)
    store.garbage_collect(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_says_so_and_leaves_the_old_version_or_the_new(disk, name):
    messages = disks.fill_up(disk, name)
    assert messages, "the disk never was full"
    for line in messages:
        assert "the disk is full; free space there" in line and "\n" not in line


def test_files_that_may_not_grow_are_explained_where_mounting_is_not_allowed(tmp_path):
    for name in KINDS:
        write_version(tmp_path, name, 1)
    for line in disks.write_limited(tmp_path, 512):
        assert "ulimit -f" in line
    for name in KINDS:
        disks.assert_left_intact(tmp_path, name, "")


@pytest.mark.parametrize(
    "name, function",
    [
        (name, function)
        for name in KINDS
        for function in ("rename", "replace", "fsync", "open", "mkdir")
        # what a writer of this kind never calls
        if (name, function) not in {("table", "rename"), ("table", "mkdir"), ("folder", "replace")}
    ],
)
def test_whichever_call_a_full_disk_refuses_the_commit_is_complete_or_undone(
    tmp_path, monkeypatch, name, function
):
    messages = disks.fail_each(monkeypatch, tmp_path, name, function, errno.ENOSPC)
    assert messages and all("the disk is full" in line for line in messages)


@pytest.mark.parametrize("name", KINDS)
def test_a_disk_that_cannot_flush_any_more_keeps_the_old_version(tmp_path, monkeypatch, name):
    messages = disks.fail_each(monkeypatch, tmp_path, name, "fsync", errno.EIO, lasting=True)
    assert messages and all("check the disk" in line for line in messages)


def test_a_read_only_folder_is_explained_and_its_artifacts_stay_readable(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    for name in KINDS:
        write_version(results, name, 1)
    with disks.read_only(results) as why:
        if why is None:
            pytest.skip("this user can neither mount nor be refused")
        for name in ("store", "folder"):
            with pytest.raises(store.StoreError, match=why):
                write_version(results, name, 2)
        assert [visible_version(results, name) for name in KINDS] == [1, 1, 1]
        assert store.stale_temporaries(results) == []
    assert [visible_version(results, name) for name in KINDS] == [1, 1, 1]


def test_a_file_system_without_locks_is_explained(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(store.StoreError, match="no locks; mount it with locks"):
        write_version(tmp_path, "store", 1)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_and_a_garbage_collector_leave_one_complete_version(tmp_path):
    outcome = race(tmp_path, rounds=8)
    assert outcome.broken == []
    assert outcome.refused and all("is being written by process" in s for s in outcome.refused)
    assert outcome.committed


def test_a_search_for_stale_temporaries_does_not_stop_a_writer(tmp_path):
    (tmp_path / ".store.zarr.tmp-elsewhere-1-0").mkdir()
    (tmp_path / ".store.zarr.lock").touch()
    context = multiprocessing.get_context("forkserver")
    searched, done = context.Semaphore(0), context.Event()
    search = context.Process(target=_search, args=(tmp_path, searched, done))
    search.start()
    for _ in range(20):
        searched.acquire()  # at least one search for every version
        write_version(tmp_path, "store", 1)
    done.set()
    search.join()
    assert search.exitcode == 0


def _search(folder, searched, done):
    while not done.is_set():
        store.stale_temporaries(folder)
        searched.release()
        with suppress(FileExistsError):  # the writer may remove it at any moment
            (folder / ".store.zarr.tmp-elsewhere-1-0").mkdir()


def test_every_flipped_bit_is_detected(builds):
    report = Drill(*builds).flip(random.Random(0), 60)
    assert report.escaped == []
    assert {k for _, k in report.tried} >= {
        "chunk", "zarr.json", "parquet", "csv", "json", "png", "manifest", "verdict"
    }  # fmt: skip


def test_files_cut_emptied_removed_swapped_and_of_another_build_are_detected(builds):
    drill = Drill(*builds)
    one_of_a_kind = {kind(name): name for name in drill.files}
    report = drill.damage([*one_of_a_kind.values(), "neutrals/photos/accepted.csv"])
    assert report.escaped == []
    assert {damage for damage, _ in report.tried} == {
        "truncated", "emptied", "removed", "swapped", "of another build"
    }  # fmt: skip


def test_swapped_artifacts_are_detected(builds):
    report = Drill(*builds).swap_artifacts()
    assert report.escaped == [] and report.tried["swapped whole", "store"] >= 2


def test_labels_of_one_size_that_are_swapped_are_not_read(tmp_path):
    rng = np.random.default_rng(0)
    labels = {name: rng.random(500) for name in ("valence", "arousal")}
    store.write(tmp_path / "a.zarr", labels)
    valence, arousal = (tmp_path / f"a.zarr/{name}/c/0" for name in labels)
    assert valence.stat().st_size == arousal.stat().st_size
    content = valence.read_bytes()
    valence.write_bytes(arousal.read_bytes())
    arousal.write_bytes(content)
    with pytest.raises(store.StoreError, match="other content than was written"):
        store.open(tmp_path / "a.zarr")["valence"][...]


def test_arrays_that_the_manifest_does_not_list_are_not_read(tmp_path):
    for name in ("a", "b"):
        store.write(tmp_path / f"{name}.zarr", {name: np.arange(3)})
    (tmp_path / "b.zarr/b").rename(tmp_path / "a.zarr/b")
    assert list(store.open(tmp_path / "a.zarr")) == ["a"]
    assert store.verify(tmp_path / "a.zarr")
    assert store.verify(tmp_path / "a.manifest.json")


def test_the_manifest_and_data_of_another_artifact_are_refused(tmp_path):
    for stage in ("fits", "synthesis"):
        provenance = store.Provenance(tmp_path, stage, "0", [])
        store.write(tmp_path / stage / "0.zarr", {stage: np.arange(3)}, {}, provenance=provenance)
    for name in ("0.zarr", "0.manifest.json"):
        (tmp_path / "fits" / name).rename(tmp_path / "synthesis" / f"new{name}")
    for name in ("0.zarr", "0.manifest.json"):
        (tmp_path / "synthesis" / name).rename(tmp_path / "fits" / name)
    with pytest.raises(store.StoreError, match=r"is the manifest of synthesis/0; "):
        store.open(tmp_path / "fits/0.zarr")


def test_a_folder_in_place_of_a_file_is_damage_not_a_crash(builds):
    results = builds[0]
    for name in ("affectspace/classes.parquet", "registered/s1.manifest.json"):
        path = results / name
        content = path.read_bytes()
        path.unlink()
        path.mkdir()
        assert audit_build(results).exit_code == 1, name
        assert store.verify(results / "registered/s1.zarr" if "s1" in name else path.parent)
        path.rmdir()
        path.write_bytes(content)


def test_whatever_the_clock_said_of_a_file_the_verdict_is_the_same(builds):
    for seconds in (0, 4e9):
        for path in builds[0].rglob("*"):
            os.utime(path, (seconds, seconds))
        assert audit_build(builds[0]).intact
