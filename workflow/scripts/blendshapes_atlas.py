"""Collect the classes' mean deformations in the atlas."""

from affect4d.blendshapes.atlas import build_atlas
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template

with Job(snakemake) as job:
    build_atlas(
        job.context("blendshapes", job.input),
        vertex_count=len(read_template(job.root).vertices),
        groups=len(job.input.classes),
        interpolate=job.config("blendshapes").interpolate,
    )
