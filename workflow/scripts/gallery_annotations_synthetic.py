"""Annotate the synthetic sequences."""

from affect4d.config.gallery import subjects
from affect4d.gallery.frames import write_annotations
from affect4d.gallery.synthetic.sequences import annotate_takes
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings = job.config("gallery")
    annotations = annotate_takes(settings.recording, subjects(settings), job.seed)
    write_annotations(annotations, job.context("gallery"))
