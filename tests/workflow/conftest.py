"""One small build, made once and shared by the tests of the whole workflow."""

import pytest
from workflow_tree import Tree


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A complete small build on two cores; tests that change it put it right again."""
    tree = Tree(tmp_path_factory.mktemp("workflow") / "two_cores")
    tree.snakemake(cores=2)
    return tree
