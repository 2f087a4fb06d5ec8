"""Build the generator of synthetic people."""

from affect4d.gallery.synthetic.model import write_model
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings = job.config("gallery").synthetic
    write_model(settings.scan_vertices, job.context("gallery", job.input))
