"""`snakemake --profile slurm`, literally, on a real Slurm of two nodes."""

import os

import pytest
from slurm_cluster import SlurmCluster, missing
from slurm_drills import Build, Drill, cancel
from workflow_tree import Tree

# it starts daemons and borrows /etc/slurm/slurm.conf: nothing to do unasked on somebody's cluster
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif("AFFECT4D_SLURM" not in os.environ, reason="set AFFECT4D_SLURM=1 to run"),
]


def test_a_cluster_gives_the_same_bytes_as_this_machine_whatever_happens(built, tmp_path):
    """One job is cancelled; benchmarks/drills.py does the rest of what goes wrong."""
    assert not missing()
    tree = Tree(tmp_path / "cluster", code=built)
    cancelled = Drill("job cancelled", "gallery_portraits", cancel)
    with SlurmCluster(tmp_path / "slurm") as cluster:
        build = Build(tree, cluster)
        assert build.run([cancelled]) == 0, build.log.read_text()[-8000:]
        verdict = cancelled.verdict()
        assert cluster.nodes_used() == {"n1", "n2"}
    assert verdict == "CANCELLED"
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
