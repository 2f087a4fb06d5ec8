"""Divide the valence-arousal plane into classes."""

from affect4d.affectspace.build import build_affectspace
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    build_affectspace(job.context("affectspace", job.input), job.config("affectspace"))
