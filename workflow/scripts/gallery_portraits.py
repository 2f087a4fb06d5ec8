"""Render synthetic people as photographs."""

from affect4d.gallery.synthetic.portraits import write_portraits
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    write_portraits(job.config("gallery").synthetic.portraits, job.context("gallery", job.input))
