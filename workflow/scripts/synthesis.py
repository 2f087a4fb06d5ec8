"""Impose every class's deformation on the photographs of one chunk."""

from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template
from affect4d.synthesis.chunks import synthesize_chunk
from affect4d.template.anatomy import anatomy_of

with Job(snakemake) as job:
    synthesize_chunk(
        job.context("synthesis", job.input),
        *job.wildcards,
        anatomy=anatomy_of(read_template(job.root)),
        settings=job.config("synthesis"),
        only=getattr(snakemake.params, "only", ""),  # the audit replays single images
    )
