"""Describe the build as a Workflow Run RO-Crate."""

from importlib.metadata import version
from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.provenance.crate import write_crate

with Job(snakemake) as job:
    snakefile, *others = map(Path, job.input.workflow)
    write_crate(
        snakefile,
        others,
        job.settings,
        job.config("dataset"),
        version("snakemake"),
        job.provenance(job.item, job.input.built),
    )
