"""`snakemake --profile slurm`, literally, on a real Slurm of two nodes."""

import os

import pytest
from slurm_cluster import SlurmCluster, missing
from workflow_tree import Tree

pytestmark = pytest.mark.slurm


def test_a_cluster_gives_the_same_bytes_as_this_machine(built, tmp_path):
    reason = missing()
    if reason and not os.environ.get("AFFECT4D_REQUIRE_SLURM"):
        pytest.skip(reason)
    assert not reason
    tree = Tree(tmp_path / "cluster")
    with SlurmCluster(tmp_path / "slurm") as cluster:
        tree.run("snakemake", "--profile", "slurm")
        assert cluster.nodes_used() == {"n1", "n2"}
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
