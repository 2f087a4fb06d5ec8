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

POLL_S = 0.1  # between two looks at a build
_TMP = ".tmp-"  # in the names of what is being written


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


def build_with_kills(tree, kills, total, *, cores=1, seed=0):
    """Build `tree`, killing it `kills` times on the way.

    Each kill waits for a number of artifacts, drawn at random from the first two thirds; the first
    for a job's unfinished files besides, or the next artifact where none are seen. So all kills
    happen, however fast the machine is.

    Parameters
    ----------
    tree : Tree that holds no results yet
    kills : how often
    total : artifacts of an undisturbed build
    """
    draw, seen = random.Random(seed), Killed()
    for number, count in enumerate(sorted(draw.sample(range(1, 2 * total // 3), kills))):
        wanted = max(count, seen.artifacts[-1] + 1 if seen.artifacts else 0)
        if not _killed_at(tree, wanted, cores=cores, writing=number == 0):
            return seen
        seen.survivors += _survivors(tree)
        visible = manifests(tree)
        seen.artifacts.append(len(visible))
        seen.invalid += [problem for path in visible for problem in store.verify(path)]
        seen.at_work += bool(store.stale_temporaries(tree.results))
        tree.snakemake("--unlock")
    tree.snakemake(cores=cores)
    return seen


def manifests(tree):
    """The manifests that a reader sees now."""
    return sorted(
        Path(parent, name)
        for parent, name in _names(tree)
        if name.endswith(SUFFIX) and not name.startswith(".")
    )


def _unfinished(tree):
    """What jobs have begun to write, or left unfinished."""
    return {Path(*place) for place in _names(tree) if place[1].startswith(".") and _TMP in place[1]}


def _names(tree):
    """(folder, name) of files and folders below the results; what vanishes meanwhile is left out.

    Stores and what manifests list are not entered, where there is no other manifest: a build is
    looked at often, and has thousands of files there.
    """
    for parent, folders, files in os.walk(tree.results):
        yield from ((parent, name) for name in folders + files)
        listed = {name.removesuffix(SUFFIX) for name in files}
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not name.endswith(".zarr") and name not in listed
        ]


def _killed_at(tree, count, *, cores, writing):
    """Run snakemake and kill its process group at `count` artifacts; False if it was done before.

    `writing`: once a job has begun to write the next one, if that is seen before it is there.
    """
    command = [str(BINARIES / "snakemake"), "--cores", str(cores)]
    with (tree.folder / "killed.log").open("a") as said:
        build = subprocess.Popen(
            command, cwd=tree.folder, env=tree.environment, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        before = _unfinished(tree)
        while build.poll() is None:
            made = len(manifests(tree))
            if made > count or (made == count and not (writing and _unfinished(tree) <= before)):
                os.killpg(build.pid, signal.SIGKILL)
                build.wait()
                return True
            time.sleep(POLL_S)
    if build.returncode:
        raise AssertionError((tree.folder / "killed.log").read_text()[-8000:])
    return False


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
