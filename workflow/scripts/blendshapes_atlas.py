"""Collect the classes' mean deformations in the atlas."""

from affect4d.blendshapes.atlas import build_atlas
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    build_atlas(
        job.context("blendshapes", job.input),
        vertex_count=len(load_template(template.mesh, template.landmarks).vertices),
        groups=len(job.input.classes),
        interpolate=job.config("blendshapes").interpolate,
    )
