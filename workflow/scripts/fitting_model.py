"""Learn the 3D morphable model from the registered gallery."""

from affect4d.fitting.chunks import build_model
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template

with Job(snakemake) as job:
    build_model(
        job.context("fitting", job.input),
        job.input.sequences,
        read_template(job.root),
        settings=job.config("fitting"),
    )
