"""A job whose input a node with a wrong clock has dated in the future."""

import os
import subprocess
import sys
import time

HOUR_NS = 3_600 * 10**9
SNAKEFILE = """
from affect4d.pipeline.file_times import date_outputs_after_inputs
date_outputs_after_inputs()
date_outputs_after_inputs()  # once more changes nothing
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
