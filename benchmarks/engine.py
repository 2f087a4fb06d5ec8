"""The small build by workers of Dask in the queue of a real Slurm, one of them lost on the way.

    python benchmarks/engine.py                 # needs root and slurm-wlm, munge
    python benchmarks/engine.py --built TREE    # a tree of tests/workflow that is built already

`engine: dask-jobqueue` computes the sequences of registration, the models of the classes, the
projections and the regression of the validation, and the pictures on two nodes. The first worker
that registers is cancelled with what it holds. Exit status 1 where an artifact differs from that
of a build on this machine.
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
COMPARED = ("registered", "blendshapes", "validation", "synthesis")


def worker_jobs():
    """The jobs of Slurm in which a process of Dask's workers runs."""
    jobs = set()
    for process in processes():
        words = dict(e.split(b"=", 1) for e in environment(process) if b"=" in e)
        if words.get(b"SLURM_JOB_NAME") == b"dask-worker":
            jobs.add(words[b"SLURM_JOB_ID"].decode())
    return sorted(jobs, key=int)


def lose_worker(tree, build, lost):
    """Once a sequence is registered, cancel a worker, with the sequence that it registers."""
    while build.poll() is None and not lost:
        jobs = worker_jobs()
        if jobs and list((tree.results / "registered").glob("*.manifest.json")):
            subprocess.run(["scancel", jobs[0]], check=True)
            lost.append(jobs[0])
        time.sleep(0.2)


def build_by_workers(tree):
    """Build a tree; returns the seconds and the jobs of the workers that were lost."""
    start, lost = time.monotonic(), []
    engine = f"engine=dask-jobqueue engine_workers={WORKERS}".split()
    command = [sys.executable, "-m", "snakemake", "--cores", str(WORKERS), "--config", *engine]
    with (tree.folder / "engine.log").open("w") as log:
        build = subprocess.Popen(
            command, cwd=tree.folder, env=tree.environment, stdout=log, stderr=log
        )
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
