"""One small build, made once and shared by the tests of the whole workflow."""

from pathlib import Path

import pytest
from workflow_tree import Tree


# they share one build, which takes longer than all their tests
WORKFLOW = ("test_workflow.py", "test_own_data.py", "test_slurm.py")


def pytest_collection_modifyitems(items):
    """Keep each file's tests on one worker, so that its fixtures are made once."""
    for item in items:
        name = Path(item.fspath).name
        group = "workflow" if name in WORKFLOW else name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A complete small build on two cores; tests that change it put it right again."""
    tree = Tree(tmp_path_factory.mktemp("workflow") / "two_cores")
    tree.snakemake(cores=2)
    return tree
