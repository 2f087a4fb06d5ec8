"""One small build, made once and shared by the tests of the whole workflow."""

import fcntl
import os

import pytest
from workflow_tree import Tree

# Each waits for something (a cluster's polls, a kill) while others compute: in this order they end
# together, where the files with few tests would come last.
FIRST = ("test_slurm.py", "test_own_data.py", "test_killed_builds.py", "test_tutorial.py")


def pytest_collection_modifyitems(items):
    """Files that build begin first; the order of `FIRST`, then the usual one."""
    order = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(FIRST)))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A complete small build on two cores; tests that change it put it right again.

    Where several processes run tests, one of them builds, and each has a copy to itself.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _build(tmp_path_factory.mktemp("workflow") / "two_cores")
    shared = tmp_path_factory.getbasetemp().parent / "two_cores"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until whoever builds is done
        if not shared.with_suffix(".done").exists():
            _build(shared)
            shared.with_suffix(".done").touch()
    return Tree.copied(shared, tmp_path_factory.mktemp("workflow") / "tree")


def _build(folder):
    tree = Tree(folder)
    tree.snakemake(cores=2)
    return tree
