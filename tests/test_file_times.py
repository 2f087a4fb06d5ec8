"""A job whose input a node with a wrong clock has dated in the future."""

import asyncio
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from snakemake import api  # noqa: F401 - first, for snakemake.dag needs it
from snakemake.dag import DAG

from affect4d.pipeline.file_times import date_outputs_after_inputs

HOUR_NS = 3_600 * 10**9
SNAKEFILE = """
from pathlib import Path
from affect4d.pipeline.file_times import date_outputs_after_inputs
date_outputs_after_inputs(Path("results"))
date_outputs_after_inputs(Path("results"))  # once more changes nothing
rule all:
    input: "in"
    output: "out"
    shell: "cp {input} {output}"
"""


def test_a_job_does_not_fail_nor_run_again_for_the_clock_of_another_node(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "in").write_text("1")
    ahead = time.time_ns() + HOUR_NS
    os.utime(tmp_path / "in", ns=(ahead, ahead))
    for expected in ("1 of 1 steps", "Nothing to be done"):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and expected in done.stderr, done.stderr
    assert (tmp_path / "out").stat().st_mtime_ns == (tmp_path / "in").stat().st_mtime_ns


@pytest.mark.parametrize(
    ("name", "later_ns", "dated_again"),
    [("in", -HOUR_NS, False), ("results/in", -HOUR_NS, True), ("in", HOUR_NS, True)],
)
def test_a_file_outside_that_changes_while_its_job_runs_is_not_hidden(
    tmp_path, monkeypatch, name, later_ns, dated_again
):
    """An input that is newer than its output, and dated in the past or in the future."""

    async def check(self, job, outputs):
        pass

    monkeypatch.setattr(DAG, "check_output_mtime", check)
    date_outputs_after_inputs(tmp_path / "results")
    (tmp_path / "results").mkdir()
    source, made, newer = tmp_path / name, tmp_path / "results/out", time.time_ns() + later_ns
    for path, changed in ((source, newer), (made, newer - HOUR_NS)):
        path.touch()
        os.utime(path, ns=(changed, changed))
    asyncio.run(DAG.check_output_mtime(None, SimpleNamespace(input=[str(source)]), [str(made)]))
    assert (made.stat().st_mtime_ns == newer) == dated_again
