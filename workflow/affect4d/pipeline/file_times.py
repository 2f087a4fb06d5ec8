"""Times of files that nodes with different clocks have written.

Snakemake (9.27) dates a job's outputs by the clock of the job's node, and fails the job where that
makes them older than its inputs, which a node has written whose clock is ahead.
"""

import functools
import os
import sys
import time
from pathlib import Path
from typing import Any

_MODULE = "snakemake.dag"


def date_outputs_after_inputs(results: Path) -> None:
    """Have Snakemake date outputs as the newest input, where they would be older.

    A file outside the results folder counts only where it is dated in the future: one that is newer
    for another reason was changed while the job ran, which is not to be hidden.
    """
    planner = sys.modules[_MODULE].DAG
    if hasattr(planner.check_output_mtime, "__wrapped__"):
        return
    check = planner.check_output_mtime

    @functools.wraps(check)
    async def date_and_check(self: Any, job: Any, outputs: list[Any]) -> None:
        now, root = time.time_ns(), results.absolute()
        times = [(path, _time(path)) for path in job.input]
        counted = [t for path, t in times if t > now or root in Path(path).absolute().parents]
        newest = max(counted, default=0)
        for path in outputs:
            if 0 < _time(path) < newest:
                os.utime(path, ns=(newest, newest))
        await check(self, job, outputs)

    planner.check_output_mtime = date_and_check


def _time(path: str) -> int:
    """When a file was changed, ns; 0 where there is none."""
    file = Path(path)
    return file.stat().st_mtime_ns if file.exists() else 0
