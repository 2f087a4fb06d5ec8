"""Schedulers and workers of Dask: in one job, or in Slurm's queue for one run of snakemake.

Whoever reaches a scheduler of Dask can run code: connections are encrypted, and need a key that is
made for the cluster and that only this user can read.
"""

import atexit
import os
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import dask.config

_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_ROLES = ("scheduler", "worker", "client")
# What a worker asks Slurm for where dask-jobqueue's own configuration (jobqueue.slurm) says nothing
_JOB: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "4GB", "walltime": "08:00:00"}
# A worker that has lost its scheduler for so long ends (s): so do all where snakemake is killed.
_DEATH_TIMEOUT_S = 60


def start_local_workers(workers: int, memory_mb: int) -> Any:
    """Connect to workers in processes of their own on this node, which end with this process.

    Parameters
    ----------
    workers : processes
    memory_mb : what they may take together; without limit if 0

    Returns
    -------
    distributed.Client
    """
    security = _make_keys(Path(tempfile.gettempdir()))
    # not LocalCluster, whose processes would run the job's script once more
    cluster = _module("distributed.deploy.subprocess").SubprocessCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=None,
        scheduler_kwargs={"protocol": "tls"},
        worker_kwargs={"protocol": "tls", "memory_limit": memory_mb * 10**6 // workers},
        security=security,
    )
    client = connect(cluster, workers=workers)
    client.forward_logging("affect4d")  # into the job's log
    return client


def start_queued_workers(folder: Path, workers: int) -> Any:
    """Submit workers to Slurm's queue, and tell the jobs of this run of snakemake where they are.

    Parameters
    ----------
    folder : on a file system that all nodes see; receives the keys and the workers' logs
    workers : jobs in the queue, of one worker each

    Returns
    -------
    dask_jobqueue.SLURMCluster, which ends with this process
    """
    folder.mkdir(parents=True, exist_ok=True)
    security = _make_keys(folder)
    stated = dask.config.get("jobqueue.slurm", {})
    cluster = _module("dask_jobqueue").SLURMCluster(
        **{key: value for key, value in _JOB.items() if stated.get(key) is None},
        death_timeout=_DEATH_TIMEOUT_S,
        log_directory=str(folder),
        protocol="tls://",
        security=security,
        scheduler_options={"dashboard": False},
    )
    # adapted, not scaled: a worker that is lost is submitted again
    cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)
    os.environ["DASK_SCHEDULER_ADDRESS"] = cluster.scheduler_address
    return cluster


def connect(cluster: Any = None, *, workers: int = 1) -> Any:
    """The distributed.Client of a cluster, once it has workers.

    What several jobs' tasks say stays in the workers' own logs.

    Parameters
    ----------
    cluster : the one that Snakemake's process has submitted, if absent
    workers : to wait for
    """
    client = _module("distributed").Client(cluster)
    client.wait_for_workers(workers)
    return client


def _make_keys(folder: Path) -> Any:
    """New keys in files, which processes that start from here on find by their environment.

    Returns
    -------
    distributed.Security
    """
    security = _module("distributed.security").Security
    made, keys = security.temporary(), Path(tempfile.mkdtemp(prefix="affect4d-keys-", dir=folder))
    atexit.register(shutil.rmtree, keys, ignore_errors=True)
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


def _module(name: str) -> Any:
    """A module of envs/engine.txt, which is installed only where this engine is asked for."""
    return import_module(name)
