"""`snakemake --profile slurm`, literally, on a real Slurm of two nodes."""

import os

import pytest
from slurm_cluster import SlurmCluster, missing
from slurm_drills import Build, Drill, cancel, cut_power
from workflow_tree import Tree

# it starts daemons and borrows /etc/slurm/slurm.conf: nothing to do unasked on somebody's cluster
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif("AFFECT4D_SLURM" not in os.environ, reason="set AFFECT4D_SLURM=1 to run"),
]


def test_a_cluster_gives_the_same_bytes_as_this_machine_whatever_happens(built, tmp_path):
    """One job is cancelled, and one node is lost."""
    assert not missing()
    tree = Tree(tmp_path / "cluster", code=built)
    drills = [
        Drill("job cancelled", "gallery_portraits", cancel),
        Drill("node down", "validation_features", cut_power),
    ]
    with SlurmCluster(tmp_path / "slurm") as cluster:
        build = Build(tree, cluster)
        assert build.run(drills) == 0, build.log.read_text()[-8000:]
        verdicts = [drill.verdict() for drill in drills]
        assert cluster.nodes_used() == {"n1", "n2"}
    assert verdicts == ["CANCELLED", "COMPLETED, restarted 1 times"]
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
