"""Fit the morphable model to one chunk of a database's neutral images."""

from affect4d.fitting.chunks import fit_chunk
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    database, chunk = job.wildcards
    fit_chunk(job.context("fitting", job.input), database, chunk, settings=job.config("fitting"))
