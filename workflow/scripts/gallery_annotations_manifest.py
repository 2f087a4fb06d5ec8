"""Check the annotations of the user's table of scans."""

from affect4d.gallery.frames import write_annotations
from affect4d.gallery.manifest import read_annotations
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    context = job.context("gallery", job.input)
    write_annotations(read_annotations(job.config("gallery"), context), context)
