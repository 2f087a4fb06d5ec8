"""A build that is killed again and again: all its processes at once, at random moments."""

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from workflow_tree import BINARIES

from affect4d import store
from affect4d.store.manifest import SUFFIX

START_S = 6.0  # until a snakemake's first job runs


@dataclass
class Killed:
    """What became of a build that was killed and resumed.

    Attributes
    ----------
    artifacts : how many were there at each kill
    at_work : the kills that left a job's unfinished files behind
    invalid : what `verify` found in artifacts that were visible after a kill
    survivors : processes of the build that outlived it
    """

    artifacts: list = field(default_factory=list)
    at_work: int = 0
    invalid: list = field(default_factory=list)
    survivors: int = 0


def build_with_kills(tree, kills, total, seconds, cores=1, seed=0):
    """Build `tree`, killing it `kills` times on the way.

    Parameters
    ----------
    tree : Tree that holds no results yet
    kills : how often
    total, seconds : artifacts and duration of an undisturbed build, over which the kills spread
    """
    moments, seen, stuck = random.Random(seed), Killed(), 0
    for left in range(kills, 0, -1):
        done = seen.artifacts[-1] if seen.artifacts else 0
        rest = seconds * (1 - done / total)
        # whoever was killed before anything was done gets twice the time, as a person would do
        delay = moments.uniform(0, 1.5) * (START_S + rest / (left + 1)) * 2**stuck
        if not _killed_after(tree, delay, cores):
            return seen
        seen.survivors += _survivors(tree)
        visible = manifests(tree)
        seen.artifacts.append(len(visible))
        stuck = 0 if len(visible) > done else stuck + 1
        seen.invalid += [problem for path in visible for problem in store.verify(path)]
        seen.at_work += bool(store.stale_temporaries(tree.results))
        tree.snakemake("--unlock")
    tree.snakemake(cores=cores)
    return seen


def manifests(tree):
    """The manifests that a reader sees now."""
    return sorted(
        path for path in tree.results.rglob(f"*{SUFFIX}") if not path.name.startswith(".")
    )


def _killed_after(tree, delay, cores):
    """Run snakemake and kill its process group after `delay` s; False if it was done before."""
    command = [str(BINARIES / "snakemake"), "--cores", str(cores)]
    with (tree.folder / "killed.log").open("a") as said:
        build = subprocess.Popen(
            command, cwd=tree.folder, env=tree.environment, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            if build.wait(delay):
                raise AssertionError((tree.folder / "killed.log").read_text()[-8000:])
            return False
        except subprocess.TimeoutExpired:
            os.killpg(build.pid, signal.SIGKILL)
            build.wait()
            return True


def _survivors(tree, patience=120.0):
    """How many processes still work in the tree's folder once the killed ones are gone."""
    deadline = time.monotonic() + patience
    while (alive := _at_home(tree)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _at_home(tree):
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            count += entry.readlink() == tree.folder
        except OSError:
            continue
    return count
