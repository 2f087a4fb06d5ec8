"""A small build on a real Slurm of two nodes where everything goes wrong that does on a cluster.

    python benchmarks/drills.py                 # needs root and slurm-wlm, munge, faketime
    python benchmarks/drills.py --built TREE    # a tree of tests/workflow that is built already
    python benchmarks/drills.py --late          # the second run's drills alone, from the images on

One build of the small configuration, during which each drill meets one job in the middle. A first
run of snakemake ends with an error, as the scratch of one rule is full; the second is killed; the
third completes, with one node's clock an hour ahead. The table says what Slurm made of the job that
was met. Exit status 1 where the dataset's checksums differ from those of a build on this machine,
where the audit finds something, or where a drill met no job or had no effect.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("tests", "tests/workflow"))

from slurm_cluster import LIBFAKETIME, SlurmCluster, missing
from slurm_drills import (
    Build,
    Drill,
    cancel,
    cut_power,
    kill_submitter,
    let_be,
    preempt,
    restart_controller,
    run_out_of_time,
)
from support.fault_injection.disks import PAGE, small_disk
from thresholds import Threshold, check
from workflow_tree import Tree

# drill: the script, the harm, and what Slurm must say of the job that was met
FIRST = (
    ("job cancelled", "gallery_scans_synthetic", cancel, "CANCELLED"),
    ("node down", "registration", cut_power, "restarted 1"),
    ("time-out", "fitting_model", run_out_of_time, "TIMEOUT"),
    ("scratch full", "blendshapes", let_be, "FAILED"),
)
SECOND = (
    ("preempted", "blendshapes_pictures", preempt, "restarted 1"),
    ("controller stopped and started", "synthesis", restart_controller, "COMPLETED"),
    ("over its memory", "synthesis_pictures", let_be, "FAILED"),
    ("snakemake killed", "readers", kill_submitter, "COMPLETED"),
)
# MB: less than the script and its snakemake take together, and at the next attempt more
MEMORY = "synthesis_pictures:mem_mb=400*attempt"


def drill_build(tree, cluster, scratch, *, late):
    """The build in three runs: (drill, what Slurm must say of its job) each, the last exit status.

    Parameters
    ----------
    tree : in which nothing is built, or nothing from the images on
    cluster : that runs
    scratch : a disk without space
    late : leave out the first run
    """
    met = []
    for number, drills in enumerate((FIRST, SECOND, ())):
        if late and number == 0:
            continue
        if number == 2:
            tree.snakemake("--unlock")
            cluster.set_wrong_clock("n2")
        made = [Drill(what, script, harm) for what, script, harm, _ in drills]
        full = [] if number else [f"blendshapes:tmpdir='{scratch}'"]
        start = time.monotonic()
        status = Build(tree, cluster, "--set-resources", MEMORY, *full).run(made)
        print(f"run of snakemake: {time.monotonic() - start:.0f} s, exit {status}", flush=True)
        met += [(drill, wanted[3]) for drill, wanted in zip(made, drills, strict=True)]
        for each in made:
            print(f"  {each.what}: {each.met and each.met.node}, {each.verdict()}", flush=True)
    return met, status


def start_tree(built, folder, *, late):
    """The tree of the drills: nothing is built, or all but what follows from the images on."""
    if not late:
        return Tree(folder, code=built)
    tree = Tree.copied(built.folder, folder)
    for pattern in ("synthesis/*/[0-9]*", "synthesis/pictures", "blendshapes/pictures"):
        for path in tree.results.glob(f"{pattern}.manifest.json"):
            path.unlink()
    return tree


def drill(folder, arguments):
    """Build, drill and compare in a folder; returns the thresholds."""
    built = Tree.copied(arguments.built, folder / "two_cores") if arguments.built else None
    if built is None:
        built = Tree(folder / "two_cores")
        built.snakemake()
    tree = start_tree(built, folder / "cluster", late=arguments.late)
    slurm = SlurmCluster(folder / "s", limits_memory=True)
    with small_disk(folder / "scratch", PAGE) as scratch, slurm as cluster:
        met, status = drill_build(tree, cluster, scratch, late=arguments.late)
        rows = [(d.what, d.script, d.met and d.met.node, d.verdict(), wanted) for d, wanted in met]
        ahead = cluster.jobs_ahead()
    columns = ["drill", "script", "node", "became", "must"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False))
    audit = tree.affect4d("audit", "results", check=False)
    print(audit.stdout)
    return [
        Threshold("drills without effect", sum(w not in v for *_, v, w in rows), 0),
        Threshold("jobs of a node whose clock is ahead", ahead, 1, at_least=True),
        Threshold("exit status of the last run of snakemake", status, 0),
        Threshold("checksums differ", int(tree.checksums() != built.checksums()), 0),
        Threshold("exit code of the audit", audit.returncode, 0),
    ]


def main():
    """Make all drills."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--built", type=Path, help="a tree of the tests that is built already")
    parser.add_argument("--late", action="store_true", help="from the images on")
    arguments = parser.parse_args()
    if missing() or not Path(LIBFAKETIME).exists():
        raise SystemExit(missing() or "not installed: faketime (apt-get install faketime)")
    with tempfile.TemporaryDirectory() as folder:
        return check(drill(Path(folder), arguments))


if __name__ == "__main__":
    sys.exit(main())
