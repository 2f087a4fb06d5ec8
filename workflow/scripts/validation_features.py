"""Project one chunk's used frames on the bases."""

from affect4d.pipeline.job import Job
from affect4d.validation.features import project_chunk

with Job(snakemake) as job:
    project_chunk(job.context("validation"), job.wildcards.chunk, job.config("blendshapes"))
