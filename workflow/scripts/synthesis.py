"""Impose every class's deformation on the photographs of one chunk."""

from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.targets import Atlas
from affect4d.pipeline.job import Job
from affect4d.synthesis.chunks import synthesize_chunk
from affect4d.template.anatomy import anatomy_of
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    synthesize_chunk(
        job.context("synthesis", job.input),
        *job.wildcards,
        atlas=Atlas(ATLAS.path(job.root)),
        anatomy=anatomy_of(load_template(template.mesh, template.landmarks)),
        settings=job.config("synthesis"),
        only=getattr(snakemake.params, "only", ""),  # the audit replays single images
    )
