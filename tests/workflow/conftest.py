"""One small build, made once and shared by the tests of the whole workflow."""

import time

import pytest
from support.once import made_once
from workflow_tree import SECONDS, Tree

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
    made = made_once(tmp_path_factory, "two_cores", _build)
    return Tree.copied(made, tmp_path_factory.mktemp("workflow") / "tree")


def _build(folder):
    start = time.monotonic()
    Tree(folder).snakemake(cores=2)
    (folder / SECONDS).write_text(str(time.monotonic() - start))


def pytest_terminal_summary(terminalreporter):
    """What tests record with `record_property`, one line each."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.line(f"{name}: {value}")
