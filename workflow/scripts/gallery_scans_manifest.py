"""Check one chunk of the user's table of scans."""

from affect4d.gallery.manifest import write_scans
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    write_scans(job.wildcards.chunk, job.config("gallery"), job.context("gallery"))
