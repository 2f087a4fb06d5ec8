"""Prepare the template for registration."""

from affect4d.pipeline.job import Job
from affect4d.registration.sequences import write_template
from affect4d.template.template import load_template

with Job(snakemake) as job:
    source = job.config("template")
    files = [path for path in (source.mesh, source.landmarks) if path is not None]
    write_template(job.context("registration", files), load_template(source.mesh, source.landmarks))
