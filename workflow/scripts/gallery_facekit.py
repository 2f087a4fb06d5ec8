"""Gather ICT-FaceKit's people and expressions."""

from affect4d.gallery.synthetic.facekit import write_facekit
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings = job.config("gallery").ict_facekit
    write_facekit(settings.root, settings.subdivisions, job.context("gallery", job.input))
