"""Print every job of the workflow as JSON, for the audit: `python workflow/list_jobs.py CONFIG`.

The jobs are those of a build from nothing with the configuration in the file (JSON or YAML).
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

REPOSITORY = Path(__file__).resolve().parents[1]


def list_jobs(config: Path) -> list[dict[str, Any]]:
    """Describe the jobs whose rules run a script."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            snakefile=REPOSITORY / "Snakefile",
        )
        # Of the public methods this one builds the graph and needs no program to draw it.
        workflow.dag(DAGSettings(forceall=True)).printd3dag()
        return [_describe(job) for job in workflow._workflow.dag.jobs if job.rule.script]


def _describe(job: Any) -> dict[str, Any]:
    return {
        "rule": job.rule.name,
        "script": str(REPOSITORY / "workflow/scripts" / Path(job.rule.script).name),
        "input": _describe_files(job.input),
        "output": _describe_files(job.output),
        "wildcards": job.wildcards_dict,
        "params": dict(job.params.items()),
        "threads": job.threads,
        "mem_mb": job.resources.get("mem_mb", 0),
        "benchmark": str(job.benchmark or ""),
    }


def _describe_files(files: Any) -> dict[str, Any]:
    return {"values": list(files), "names": dict(files.items())}


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        jobs = list_jobs(Path(sys.argv[1]))
    json.dump(jobs, sys.stdout)
