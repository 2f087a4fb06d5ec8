"""The small build by workers of Dask in the queue of a real Slurm: killed, then a worker is lost.

    python benchmarks/engine.py                 # needs root and slurm-wlm, munge
    python benchmarks/engine.py --built TREE    # a tree of tests/workflow that is built already

`engine: dask-jobqueue` computes the sequences of registration, the models of the classes, the
projections and the regression of the validation, and the pictures on two nodes. Snakemake alone is
killed once a sequence is registered, and nothing of it may run on; then it is started again, and a
worker is cancelled with what it holds. Exit status 1 where an artifact differs from that of a build
on this machine.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("tests", "tests/workflow"))

from slurm_cluster import SlurmCluster, environment, missing, processes
from thresholds import Threshold, check
from workflow_tree import Tree

from affect4d import store
from affect4d.store.manifest import SUFFIX

WORKERS = 2
PATIENCE_S = 300  # until what outlives snakemake counts as left
COMPARED = ("registered", "blendshapes", "validation", "synthesis")


def worker_jobs():
    """The jobs of Slurm in which a process of Dask's workers runs."""
    jobs = set()
    for process in processes():
        words = dict(e.split(b"=", 1) for e in environment(process) if b"=" in e)
        if words.get(b"SLURM_JOB_NAME") == b"dask-worker":
            jobs.add(words[b"SLURM_JOB_ID"].decode())
    return sorted(jobs, key=int)


def processes_in(folder):
    """The processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == folder:
                found.append(f"process {entry.parent.name}")
        except OSError:  # it has ended
            continue
    return found


def lose_worker(tree, build, lost):
    """Once another sequence is registered, cancel a worker, with the one that it registers."""
    before = registered(tree)
    while build.poll() is None and not lost:
        jobs = worker_jobs()
        if jobs and registered(tree) > before:
            subprocess.run(["scancel", jobs[0]], check=True)
            lost.append(jobs[0])
        time.sleep(0.2)


def registered(tree):
    """How many sequences are registered."""
    return len(list((tree.results / "registered").glob("*.manifest.json")))


def start_build(tree):
    """The process of snakemake."""
    engine = f"engine=dask-jobqueue engine_workers={WORKERS}".split()
    command = [sys.executable, "-m", "snakemake", "--cores", str(WORKERS), "--config", *engine]
    with (tree.folder / "engine.log").open("a") as log:
        return subprocess.Popen(
            command, cwd=tree.folder, env=tree.environment, stdout=log, stderr=log
        )


def kill_build(tree):
    """Kill snakemake once a sequence is registered; seconds until nothing of it runs, and what."""
    build = start_build(tree)
    while not registered(tree):
        if build.poll() is not None:
            raise SystemExit((tree.folder / "engine.log").read_text()[-8000:])
        time.sleep(0.2)
    start = time.monotonic()
    build.kill()
    build.wait()
    while (left := at_work(tree)) and time.monotonic() - start < PATIENCE_S:
        time.sleep(0.2)
    tree.snakemake("--unlock")
    return time.monotonic() - start, left


def at_work(tree):
    """The processes of a tree's jobs, and the workers in Slurm's queue."""
    return [f"job {job}" for job in worker_jobs()] + processes_in(tree.folder)


def build_by_workers(tree):
    """Build a tree; returns the seconds and the jobs of the workers that were lost."""
    start, lost = time.monotonic(), []
    build = start_build(tree)
    watcher = threading.Thread(target=lose_worker, args=(tree, build, lost))
    watcher.start()
    build.wait()
    watcher.join()
    if build.returncode:
        raise SystemExit((tree.folder / "engine.log").read_text()[-8000:])
    return time.monotonic() - start, lost


def digests(tree, part):
    """{manifest: {file: sha256}} of the artifacts in a folder of the results.

    Manifests that a manifest lists are left out: they name the tree's own template by its path.
    """
    manifests = sorted((tree.results / part).rglob(f"*{SUFFIX}"))
    return {
        str(path.relative_to(tree.results)): {
            file.path: file.sha256
            for file in store.read_manifest(path).files
            if not file.path.endswith(SUFFIX)
        }
        for path in manifests
    }


def run(folder, built):
    """Build both ways in a folder; returns the thresholds."""
    here = Tree.copied(built, folder / "two_cores") if built else Tree(folder / "two_cores")
    if not built:
        here.snakemake()
    tree = Tree(folder / "workers", code=here)
    with SlurmCluster(folder / "s"):
        waited, left = kill_build(tree)
        print(f"killed: {waited:.0f} s until nothing ran; left: {', '.join(left) or 'nothing'}")
        seconds, lost = build_by_workers(tree)
    print(f"built in {seconds:.0f} s; lost on the way: job {', '.join(lost)}")
    differing = []
    for part in COMPARED:
        expected, made = digests(here, part), digests(tree, part)
        names = expected.keys() | made.keys()
        differing += [name for name in names if expected.get(name) != made.get(name)]
        print(f"{part}: {len(expected)} artifacts, {sum(map(len, expected.values()))} files")
    print("\n".join(["differing:", *differing]) if differing else "all are the same")
    return [
        Threshold("artifacts that differ", len(differing), 0),
        Threshold("checksums of the dataset differ", int(tree.checksums() != here.checksums()), 0),
        Threshold("processes that outlive snakemake", len(left), 0),
        Threshold("lost workers", len(lost), 1, at_least=True),
    ]


def main():
    """Build by workers, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--built", type=Path, help="a tree of the tests that is built already")
    arguments = parser.parse_args()
    if missing():
        raise SystemExit(missing())
    with tempfile.TemporaryDirectory() as folder:
        return check(run(Path(folder), arguments.built))


if __name__ == "__main__":
    sys.exit(main())
