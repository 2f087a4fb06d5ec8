"""`snakemake --profile slurm`, literally, on a real Slurm of two nodes."""

import os

import pytest
from slurm_cluster import SlurmCluster, missing
from workflow_tree import Tree

# it starts daemons and borrows /etc/slurm/slurm.conf: nothing to do unasked on somebody's cluster
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif("AFFECT4D_SLURM" not in os.environ, reason="set AFFECT4D_SLURM=1 to run"),
]


# the profile spares a busy controller; this one has nothing else to do
POLL_OFTEN = ("--slurm-init-seconds-before-status-checks", 1, "--seconds-between-status-checks", 1)


def test_a_cluster_gives_the_same_bytes_as_this_machine(built, tmp_path):
    assert not missing()
    tree = Tree(tmp_path / "cluster", code=built)
    with SlurmCluster(tmp_path / "slurm") as cluster:
        tree.run("snakemake", "--profile", "slurm", *POLL_OFTEN)
        assert cluster.nodes_used() == {"n1", "n2"}
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
