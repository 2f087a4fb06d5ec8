"""Learn the 3D morphable model from the registered gallery."""

from affect4d.fitting.chunks import build_model
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    build_model(
        job.context("fitting", job.input),
        job.input.sequences,
        load_template(template.mesh, template.landmarks),
        settings=job.config("fitting"),
    )
