"""Schedulers and workers of Dask: in one job, or in Slurm's queue for one run of snakemake.

Whoever reaches a scheduler of Dask can run code: connections are encrypted, and need a key that is
made for the cluster and that only this user can read.
"""

import atexit
import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import dask.config

from affect4d.pipeline.ends_with_job import JOB
from affect4d.pipeline.thread_variables import ON_ONE_THREAD
from affect4d.quarantine import BadInput

log = logging.getLogger("affect4d")
_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_ROLES = ("scheduler", "worker", "client")
# What a worker asks Slurm for where dask-jobqueue's own configuration (jobqueue.slurm) says nothing
_JOB: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "4GB", "walltime": "08:00:00"}
# A worker that has lost its scheduler for so long ends (s): so do all where snakemake is killed.
_DEATH_TIMEOUT_S = 60
# Least memory of a worker within a job, MB: of the demo's jobs that hand over tasks the largest
# (registration) takes 909 with what it holds itself.
WORKER_MB = 1_000
# Until a process on this node is there, s: it takes 3 s to load, many times that on a busy node.
_START_S = 600.0
# Until the first queued worker runs, s: a queue may be long, and what cannot be submitted at all is
# known before. A build that waits for longer is not wanted any more.
_QUEUE_S = 24 * 3600.0
_IN_QUEUE = "jobqueue.slurm (~/.config/dask/jobqueue.yaml)"
_KEYS, _LOCK = "affect4d-keys-", "lock"
_ENDS_WITH_JOB = ["affect4d.pipeline.ends_with_job"]


def start_local_workers(workers: int, memory_mb: int) -> Any:
    """Connect to workers in processes of their own on this node, which end with this process.

    Parameters
    ----------
    workers : processes at most
    memory_mb : what they may take together, WORKER_MB each at least; without limit if 0

    Returns
    -------
    distributed.Client
    """
    wanted, workers = workers, count_workers(workers, memory_mb)
    if workers < wanted:
        log.info("%d MB suffice for %d workers, not %d", memory_mb, workers, wanted)
    security = make_keys(Path(tempfile.gettempdir()))
    # a task has one thread, however many the job was given
    os.environ |= ON_ONE_THREAD | {JOB: str(os.getpid())}
    # not LocalCluster, whose processes would run the job's script once more
    cluster = _module("distributed.deploy.subprocess").SubprocessCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=None,
        scheduler_kwargs={"protocol": "tls", "preload": _ENDS_WITH_JOB},
        worker_kwargs={
            "protocol": "tls",
            "memory_limit": memory_mb * 10**6 // workers,
            "preload_nanny": _ENDS_WITH_JOB,
        },
        security=security,
    )
    client = connect(cluster, workers=workers, limit_s=_START_S)
    client.forward_logging("affect4d")  # into the job's log
    return client


def count_workers(threads: int, memory_mb: int) -> int:
    """How many workers a job of some threads and memory starts: at least 1."""
    return max(1, min(threads, memory_mb // WORKER_MB)) if memory_mb else threads


def start_queued_workers(folder: Path, workers: int) -> Any:
    """Submit workers to Slurm's queue, and tell the jobs of this run of snakemake where they are.

    Parameters
    ----------
    folder : on a file system that all nodes see; receives the keys and the workers' logs
    workers : jobs in the queue, of one worker each

    Returns
    -------
    dask_jobqueue.SLURMCluster, which ends with this process

    Raises
    ------
    BadInput
        Slurm would not take a worker's job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    security = make_keys(folder)
    stated = dask.config.get("jobqueue.slurm", {})
    prologue = dask.config.get("jobqueue.slurm.job-script-prologue", None) or []
    one_thread = [f"export {name}={value}" for name, value in ON_ONE_THREAD.items()]
    cluster = _module("dask_jobqueue").SLURMCluster(
        **{key: value for key, value in _JOB.items() if stated.get(key) is None},
        job_script_prologue=[*prologue, *one_thread],
        death_timeout=_DEATH_TIMEOUT_S,
        log_directory=str(folder),
        protocol="tls://",
        security=security,
        scheduler_options={"dashboard": False},
    )
    try:
        _check_submission(cluster.job_script())
    except BadInput:
        cluster.close()
        raise
    # adapted, not scaled: a worker that is lost is submitted again
    cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)
    os.environ["DASK_SCHEDULER_ADDRESS"] = cluster.scheduler_address
    return cluster


def _check_submission(script: str) -> None:
    """See that Slurm would take a worker's job; BadInput where not."""
    remedy = f"correct {_IN_QUEUE}, or engine: in-process"
    try:
        tried = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
        )
    except OSError as error:
        remedy = "run snakemake on a node that can submit jobs, or engine: in-process"
        raise BadInput("sbatch", f"cannot be run ({error.strerror})", remedy) from None
    if tried.returncode:
        raise BadInput("sbatch", f"refuses a worker's job: {tried.stderr.strip()}", remedy)


def connect(cluster: Any = None, *, workers: int = 1, limit_s: float = _QUEUE_S) -> Any:
    """The distributed.Client of a cluster, once it has workers.

    What several jobs' tasks say stays in the workers' own logs.

    Parameters
    ----------
    cluster : the one that Snakemake's process has submitted, if absent
    workers : to wait for
    limit_s : how long

    Raises
    ------
    BadInput
        There is no cluster, or no worker in time.
    """
    if cluster is None:
        cluster = os.environ.get("DASK_SCHEDULER_ADDRESS")
        if not cluster:
            remedy = "let jobs run beside snakemake, without an executor, or engine: in-process"
            rule = "names no scheduler of Dask to this job"
            raise BadInput("DASK_SCHEDULER_ADDRESS", rule, remedy)
    try:
        client = _module("distributed").Client(cluster)
    except OSError:
        raise BadInput("engine", f"{cluster} does not answer", "run snakemake again") from None
    log.info("waiting for %d of Dask's workers", workers)
    try:
        client.wait_for_workers(workers, timeout=limit_s)
    except TimeoutError:
        client.close()
        remedy = f"see the workers' logs, squeue and {_IN_QUEUE}, or engine: in-process"
        rule = f"fewer than {workers} of Dask's workers started in {limit_s:.0f} s"
        raise BadInput("engine", rule, remedy) from None
    return client


def make_keys(folder: Path) -> Any:
    """New keys in files, which processes that start from here on find by their environment.

    Only this user can read them. They are removed with this process, or by the next one that makes
    keys where this one is killed.

    Returns
    -------
    distributed.Security
    """
    _remove_stale_keys(folder)
    security = _module("distributed.security").Security
    made, keys = security.temporary(), Path(tempfile.mkdtemp(prefix=_KEYS, dir=folder))
    atexit.register(shutil.rmtree, keys, ignore_errors=True)
    _lock(keys)
    # paused workers of a job that lacks memory would wait for ever: it is to fail
    os.environ["DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE"] = "False"
    files = {"ca_file": made.tls_ca_file}
    for role in _ROLES:
        files[f"{role}_cert"] = getattr(made, f"tls_{role}_cert")
        files[f"{role}_key"] = getattr(made, f"tls_{role}_key")
    paths = {}
    for name, content in files.items():
        path = keys / f"{name}.pem"
        path.write_text(content)
        paths[f"tls_{name}"] = str(path.absolute())
        os.environ[_TLS + name.upper().replace("_CERT", "__CERT").replace("_KEY", "__KEY")] = paths[
            f"tls_{name}"
        ]
    return security(**paths, require_encryption=True)


def _lock(keys: Path) -> None:
    """Lock a folder as long as this process lives, on whatever node."""
    unlocked = keys / f".{_LOCK}"
    file = unlocked.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    unlocked.rename(keys / _LOCK)
    atexit.register(file.close)  # which keeps it open until then


def _remove_stale_keys(folder: Path) -> None:
    """Remove the keys of processes that were killed; those of other users cannot be opened."""
    for lock in folder.glob(f"{_KEYS}*/{_LOCK}"):
        with suppress(OSError), lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)


def _module(name: str) -> Any:
    """A module of envs/engine.txt, which is installed only where this engine is asked for."""
    return import_module(name)
