"""Describe the build as a Workflow Run RO-Crate."""

from importlib.metadata import version
from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.provenance.crate import write_crate

with Job(snakemake) as job:
    write_crate(
        job.context("provenance", job.input.built),
        workflow=[Path(path) for path in job.input.workflow],
        about=job.config("dataset"),
        engine=version("snakemake"),
    )
