"""Tasks of a job on workers of Dask: the same results, whatever becomes of a worker."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import dask
import dask.array as da
import distributed
import pytest
from support.contexts import context

from affect4d.pipeline import dask_clusters, ends_with_job, engine_modules
from affect4d.pipeline.engine import InProcess, open_engine
from affect4d.quarantine import BadInput

ITEMS = [3, 1, 2, 0]
PATIENCE_S = 600.0  # until a test fails that waits for something
NOTED = ("begun", "ended")


@pytest.fixture(scope="module")
def workers():
    """The engine of a job of two threads, whose workers find this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield open_engine("dask", threads=2, memory_mb=2000)


def divide(folder, context, item):
    """Six by an item; the first worker to be given 2 is killed, and no quotient of 0 exists."""
    if item == 2:
        with suppress(FileExistsError):
            (folder / "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    if item == 0:
        context.quarantine.add(item, BadInput("0", "is zero", "give another"))
        return None
    context.quarantine.leave_out(item, BadInput(item, "is noted", "read on"))
    return 6 // item


def run(folder, engine, *, strict=False):
    """The results, and the items of the quarantine."""
    here = context(folder, engine=engine, strict=strict)
    made = list(here.map(partial(divide, folder), ITEMS))
    return made, [row.item for row in here.quarantine.rows]


def test_a_killed_worker_changes_nothing_and_order_is_that_of_the_items(tmp_path, workers):
    (tmp_path / "killed").touch()
    expected = run(tmp_path, InProcess())
    assert expected == ([2, 6, 3, None], ["3", "1", "2", "0"])
    (tmp_path / "killed").unlink()
    assert run(tmp_path, workers) == expected
    assert (tmp_path / "killed").exists()


def test_bad_input_in_a_worker_ends_a_strict_job_with_its_line(tmp_path, workers):
    (tmp_path / "killed").touch()
    with pytest.raises(BadInput, match="0: is zero; give another"):
        run(tmp_path, workers, strict=True)


def test_collections_are_computed_by_the_workers(workers):
    with workers.collections():
        numbers = da.arange(10, chunks=2).map_blocks(lambda block: block * 0 + os.getpid())
        assert os.getpid() not in set(numbers.compute().tolist())


def threads_of_opencv(item):
    return cv2.getNumThreads()


def test_opencv_uses_one_thread_in_a_worker(workers):
    assert list(workers.map(threads_of_opencv, [0])) == [1]


class Shared:
    """What tasks share: notes each process that reads it."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__ = state
        tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=self.folder)

    def __call__(self, item):
        return os.getpid()


def test_what_tasks_share_reaches_each_worker_once(tmp_path, workers):
    used = set(workers.map(Shared(tmp_path), range(20)))
    read = Counter(int(path.name.split("-")[0]) for path in tmp_path.iterdir())
    assert {read[worker] for worker in used} == {1}


def meet(folder, item):
    """Whether another worker is at the other item while this one waits."""
    (folder / str(item)).touch()
    return wait_until(lambda: len(list(folder.iterdir())) == 2)


def wait_until(is_reached):
    deadline = time.monotonic() + PATIENCE_S
    while not is_reached() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_reached()


def test_few_tasks_that_share_something_are_done_at_once(tmp_path, workers):
    assert list(workers.map(partial(meet, tmp_path), range(2))) == [True, True]


def fail_or_write(folder, item):
    """The first fails once another is at work; each of these notes its beginning and end."""
    if item == 0:
        while not list(folder.glob("begun-*")):
            time.sleep(0.01)
        raise ValueError("the first failed")
    (folder / f"begun-{item}").touch()
    while not (folder / "go-on").exists():
        time.sleep(0.01)
    (folder / f"ended-{item}").touch()


def test_nothing_of_a_failed_job_runs_on(tmp_path, workers, monkeypatch):
    def wait(futures, wait=distributed.wait):
        (tmp_path / "go-on").touch()
        return wait(futures)

    monkeypatch.setattr(distributed, "wait", wait)
    with pytest.raises(ValueError, match="the first failed"):
        list(workers.map(partial(fail_or_write, tmp_path), range(40)))
    begun, ended = ({path.name[6:] for path in tmp_path.glob(f"{what}-*")} for what in NOTED)
    assert begun == ended and 0 < len(begun) < 39


KILLED = "AFFECT4D_KILLED"  # in the environment of a job that is killed, and of all it starts
WAITING_JOB = """
import sys
from functools import partial
from pathlib import Path
from affect4d.pipeline.engine import open_engine
from test_engine import never_end
engine = open_engine("dask", threads=2, memory_mb=2000)
list(engine.map(partial(never_end, Path(sys.argv[1])), range(2)))
"""


def never_end(folder, item):
    (folder / str(item)).touch()
    while True:
        time.sleep(0.1)


def started_by(job):
    """How many processes run that have a job's mark in their environment."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            count += f"{KILLED}={job}".encode() in path.read_bytes().split(b"\0")
    return count


def test_nothing_of_a_killed_job_runs_on(tmp_path):
    path = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": path, KILLED: str(tmp_path)}
    job = subprocess.Popen([sys.executable, "-c", WAITING_JOB, tmp_path], env=environment)
    try:
        at_work = wait_until(lambda: len(list(tmp_path.iterdir())) == 2 or job.poll() is not None)
        assert at_work and job.poll() is None and started_by(tmp_path) > 3
    finally:
        job.kill()
        job.wait()
    assert wait_until(lambda: started_by(tmp_path) == 0)


def test_where_no_parent_s_end_is_told_of_the_workers_start_all_the_same(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # which has no prctl
    assert ends_with_job.dask_setup(None) is None


@pytest.mark.parametrize(
    ("threads", "memory_mb", "expected"), [(8, 3000, 3), (2, 9000, 2), (8, 500, 1), (8, 0, 8)]
)
def test_a_worker_has_the_memory_of_a_task(threads, memory_mb, expected):
    assert dask_clusters.count_workers(threads, memory_mb) == expected


def pause_of_worker(item):
    return dask.config.get("distributed.worker.memory.pause")


def test_workers_are_not_paused_where_memory_is_short(workers):
    assert list(workers.map(pause_of_worker, [0])) == [False]


def test_without_packages_one_line_says_how_they_are_installed(monkeypatch):
    monkeypatch.setattr(engine_modules, "find_spec", lambda name: None)
    engine_modules.check_engine("in-process")
    with pytest.raises(BadInput, match="dask_jobqueue not installed; run `make engine`"):
        open_engine("dask-jobqueue", threads=1, memory_mb=0)


def test_a_job_without_a_scheduler_says_so(monkeypatch):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    engine = open_engine("dask-jobqueue", threads=1, memory_mb=0)
    with pytest.raises(BadInput, match="names no scheduler of Dask"):
        list(engine.map(threads_of_opencv, [0]))


@pytest.mark.parametrize(
    ("sbatch", "expected"),
    [
        (None, "sbatch: cannot be run"),
        ("echo invalid partition specified: nowhere >&2; exit 1", "invalid partition specified"),
    ],
)
def test_workers_that_cannot_be_submitted_end_the_run(tmp_path, monkeypatch, sbatch, expected):
    (tmp_path / "bin").mkdir()
    if sbatch:
        (tmp_path / "bin/sbatch").write_text(f"#!/bin/sh\n{sbatch}\n")
        (tmp_path / "bin/sbatch").chmod(0o755)
    start = (
        "import sys; from pathlib import Path; from affect4d.pipeline import dask_clusters\n"
        "dask_clusters.start_queued_workers(Path(sys.argv[1]), 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, tmp_path / "engine"],
        env={**os.environ, "PATH": str(tmp_path / "bin")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and expected in done.stderr.splitlines()[-1]
    assert list((tmp_path / "engine").iterdir()) == []


def test_too_few_workers_in_time_are_said_in_one_line(workers):
    with workers.collections():
        cluster = dask.config.get("scheduler").cluster
    with pytest.raises(BadInput, match="fewer than 3 of Dask's workers started in 1 s"):
        dask_clusters.connect(cluster, workers=3, limit_s=1.0)


MAKE_KEYS = (
    "import sys, time; from pathlib import Path; from affect4d.pipeline import dask_clusters\n"
    "dask_clusters.make_keys(Path(sys.argv[1])); print('made', flush=True); sys.stdin.read()"
)


def make_keys(folder):
    """A process that has made keys and waits for its standard input to be closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE_KEYS, folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "made\n"
    return process


def test_keys_are_this_users_alone_and_go_with_their_process_or_at_the_next_start(tmp_path):
    killed = make_keys(tmp_path)
    (stale,) = tmp_path.iterdir()
    assert stale.stat().st_mode & 0o777 == 0o700
    killed.kill()
    killed.communicate()
    assert stale.exists()
    with make_keys(tmp_path), make_keys(tmp_path):
        assert stale not in tmp_path.iterdir() and len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []
