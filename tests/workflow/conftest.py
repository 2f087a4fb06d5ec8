"""One small build, made once and shared by the tests of the whole workflow."""

import time

import pytest
from support.once import made_once
from workflow_tree import SECONDS, Tree

# Slurm waits for its polls while others compute. One of two processes then makes the shared build,
# and the other one what needs none; the longer files follow. The tutorial's build comes last, since
# it can use both cores.
ORDER = (
    "test_slurm.py", "test_own_data.py", "test_changes.py", "test_rule_graphs.py",
    "test_own_table.py", "test_killed_builds.py", "test_rebuilds.py", "test_workflow.py",
    "test_readers.py", "test_tutorial.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Files in the order of `ORDER`; others come last."""
    order = {name: number for number, name in enumerate(ORDER)}
    items.sort(key=lambda item: order.get(item.path.name, len(ORDER)))


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
