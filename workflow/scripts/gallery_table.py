"""Check the user's table of scans as a whole."""

from affect4d.gallery.manifest import write_table
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    write_table(job.config("gallery"), job.context("gallery", job.input))
