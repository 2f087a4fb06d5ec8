"""`snakemake --profile slurm`, literally, on a real Slurm of two nodes."""

import os
import time

import pytest
from slurm_cluster import SlurmCluster, missing
from slurm_drills import Build, Drill, cancel
from workflow_tree import SECONDS, Tree

# it starts daemons and borrows /etc/slurm/slurm.conf: nothing to do unasked on somebody's cluster
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif("AFFECT4D_SLURM" not in os.environ, reason="set AFFECT4D_SLURM=1 to run"),
]


def test_a_cluster_on_which_a_job_is_cancelled_gives_the_bytes_of_this_machine(
    built, tmp_path, record_property
):
    """benchmarks/drills.py does the rest of what goes wrong."""
    assert not missing()
    tree = Tree(tmp_path / "cluster", code=built)
    cancelled = Drill("job cancelled", "gallery_portraits", cancel)
    with SlurmCluster(tmp_path / "slurm") as cluster:
        start = time.monotonic()
        build = Build(tree, cluster)
        assert build.run([cancelled]) == 0, build.log.read_text()[-8000:]
        seconds = time.monotonic() - start
        verdict = cancelled.verdict()
        assert cluster.nodes_used() == {"n1", "n2"}
    assert verdict == "CANCELLED"
    assert tree.checksums() == built.checksums()
    assert tree.affect4d("audit", "results").returncode == 0
    local = float((built.folder / SECONDS).read_text())
    record_property("small build", f"{seconds:.0f} s on Slurm, {local:.0f} s on this machine")
