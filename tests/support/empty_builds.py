"""A build that is complete for Snakemake: every artifact is empty, and states settings and code."""

import json
import subprocess
import sys

from affect4d.pipeline.results_folder import claim_results


def write_empty_build(folder, repository, environment=None):
    """Write the artifacts of the workflow in `repository` for the configuration in `folder`.

    Parameters
    ----------
    folder : with config.yaml; the artifacts lie in its folder `results`
    repository : where Snakefile and workflow are
    environment : of the programs; this process's own where it is None
    """
    jobs = json.loads(_run(folder, environment, repository / "workflow/list_jobs.py"))["jobs"]
    claim_results(folder / "results")
    for job in jobs:
        for name in job["output"]["values"]:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = {"settings": job["params"]["settings"], "code": job["params"]["code"]}
            path.write_text(json.dumps(content))
    # all at once: Snakemake compares all jobs that could run with each other for every one it takes
    cores = ("--cores", len(jobs) + 1)
    snakemake = ("-m", "snakemake", "--snakefile", repository / "Snakefile", *cores)
    _run(folder, environment, *snakemake, "--touch", "--forceall", "--quiet", "all")


def _run(folder, environment, *arguments):
    """What a Python program prints."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, f"{command}\n{done.stderr[-4000:]}"
    return done.stdout
