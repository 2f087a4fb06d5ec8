"""Writers killed with SIGKILL at every stage of a commit, and what a reader then sees."""

import ctypes
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter

import numpy as np
from tqdm import tqdm

from affect4d import store
from affect4d.store.manifest import SUFFIX

# The next step of the writer; from "flush" on it is inside the commit.
STAGES = ("fill", "flush", "old manifest renamed", "data renamed", "manifest renamed", "clean up")
KINDS = ("store", "table", "folder")


def kill_writers(folder, kills, seed=0, faces=None):
    """Kill writers of a store, a table and a folder; raise AssertionError at anything invalid.

    Every other kill waits for a stage of the commit, the others fall at a random moment.

    Parameters
    ----------
    folder : where they write; what killed ones leave there stays
    kills : how many
    faces : (T, V, 3), vertices that the store holds too

    Returns
    -------
    Counter of the stages at which they died
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zarr", "affect4d.store", "support.fault_injection.kills"])
    moments, died, last = random.Random(seed), Counter(), 0
    for number in tqdm(range(kills), desc="kills"):
        stage = context.RawValue(ctypes.c_byte, -1)
        writer = context.Process(target=_write_on, args=(folder, last + 1, stage, faces))
        writer.start()
        _wait(writer, lambda: stage.value >= 0)  # noqa: B023
        if number % 2:
            time.sleep(moments.uniform(0, 0.3))
        else:
            aim = 1 + number // 2 % (len(STAGES) - 1)
            _wait(writer, lambda: stage.value == aim)  # noqa: B023
            time.sleep(moments.uniform(0, 0.002))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        died[STAGES[stage.value]] += 1
        last = max(last, *(visible_version(folder, kind) for kind in KINDS))
    return died


def inside(died):
    """How many of the kills fell inside a commit."""
    return sum(count for stage, count in died.items() if stage not in ("fill", "clean up"))


def write_version(folder, kind, version, faces=None):
    """Write one version of an artifact, as the job of a rule does."""
    if kind == "store":
        arrays = {"a": np.full((64, 50), version), "b": np.full(7, version)}
        if faces is not None:
            arrays["vertices"] = store.Vertices(faces + version % 8, faces[0] + version % 8)
        store.write(folder / "store.zarr", arrays, {"version": version})
        return
    if kind == "table":
        # what snakemake does before a job
        (folder / f"table{SUFFIX}").unlink(missing_ok=True)
        with store.atomic(folder / "table.csv") as unfinished:
            unfinished.write_text(f"{version}\n" * 1000)
        store.record(folder / f"table{SUFFIX}", [folder / "table.csv"], None)
        return
    with store.atomic_replace(folder / "folder", None) as unfinished:
        (unfinished / "data").mkdir(parents=True)
        for part in range(3):
            (unfinished / f"data/{part}.txt").write_text(f"{version}\n" * 1000)


def _write_on(folder, version, stage, faces):
    """Write ever new versions, noting each step before it is taken, until killed."""

    def watch(event, arguments):
        named = _stage(event, arguments)
        if named is not None:
            stage.value = max(stage.value, STAGES.index(named))

    sys.addaudithook(watch)
    while True:
        for kind in KINDS:
            stage.value = 0
            write_version(folder, kind, version, faces)
        version += 1


def _stage(event, arguments):
    """What the interpreter is about to do, as a stage; None for anything else."""
    if event == "open":
        path, mode, flags = arguments
        flush = mode is None and not flags & os.O_ACCMODE and ".tmp-" in str(path)
        return "flush" if flush else None
    if event == "shutil.rmtree":
        return "clean up"
    if event != "os.rename":
        return None
    source, target = map(str, arguments[:2])
    if ".tmp-" in target:
        return "old manifest renamed" if source.endswith(SUFFIX) else None
    return "manifest renamed" if target.endswith(SUFFIX) else "data renamed"


def visible_version(folder, kind):
    """The version that a reader sees, 0 where there is none; AssertionError where it is invalid."""
    path = folder / f"{kind}{SUFFIX}"
    if not path.exists():
        problems = store.verify(path)
        assert len(problems) == 1 and "never committed" in problems[0], problems
        return 0
    problems = store.verify(folder / "folder" if kind == "folder" else path)
    assert not problems, problems
    seen = _read(folder, kind)
    assert len(seen) == 1, f"{kind}: versions {seen} at once"
    return seen.pop()


def _read(folder, kind):
    """Every version of which an artifact holds some bytes."""
    if kind == "store":
        opened = store.open(folder / "store.zarr")
        seen = {int(v) for name in "ab" for v in np.unique(opened[name][...])}
        if "vertices" in opened:
            first = opened["vertices"][...][:, 0, 0] - opened["vertices"].neutral[0, 0]
            assert np.abs(first - first[0]).max() < 1
        return seen | {opened.attributes["version"]}
    listed = store.read_manifest(folder / f"{kind}{SUFFIX}")
    texts = [listed.locate(file).read_text() for file in listed.files]
    return {int(line) for text in texts for line in text.split()}


def _wait(writer, reached):
    while not reached():
        assert writer.is_alive(), "the writer ended before it reached the stage"
