"""Print configuration and jobs of the workflow as JSON: `python workflow/list_jobs.py [CONFIG]...`

The jobs are those of a build from nothing, for the audit and for `affect4d plan`; with `--as-is`
each says whether and why snakemake would run it now. CONFIG (JSON or YAML) lies over config.yaml.
"""

import argparse
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


def list_jobs(configs: list[Path], *, as_is: bool = False) -> dict[str, Any]:
    """The configuration, and a description of each job whose rule runs a script."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=configs),
            snakefile=REPOSITORY / "Snakefile",
        )
        # Of the public methods this one builds the graph and needs no program to draw it.
        workflow.dag(DAGSettings(forceall=not as_is)).printd3dag()
        dag = workflow._workflow.dag
        jobs = [_describe(job, dag) for job in dag.jobs if job.rule.script]
        return {"config": workflow._workflow.globals["config"], "jobs": jobs}


def _describe(job: Any, dag: Any) -> dict[str, Any]:
    is_needed = dag.needrun(job)
    return {
        "is_needed": is_needed,
        "reason": str(dag.reason(job)) if is_needed else "",
        "rule": job.rule.name,
        "script": str(REPOSITORY / "workflow/scripts" / Path(job.rule.script).name),
        "input": _describe_files(job.input),
        "output": _describe_files(job.output),
        "wildcards": job.wildcards_dict,
        "params": dict(job.params.items()),
        "threads": job.threads,
        "mem_mb": job.resources.get("mem_mb", 0),
        "runtime": job.resources.get("runtime", 0),
        "log": str(next(iter(job.log), "")),
        "benchmark": str(job.benchmark or ""),
    }


def _describe_files(files: Any) -> dict[str, Any]:
    return {"values": list(files), "names": dict(files.items())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--as-is", action="store_true")
    arguments = parser.parse_args()
    with redirect_stdout(sys.stderr):
        listed = list_jobs(arguments.configs, as_is=arguments.as_is)
    json.dump(listed, sys.stdout)
