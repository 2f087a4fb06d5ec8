"""Measure what the shapes tell of valence and arousal (Table 1)."""

from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.validation.build import build_validation

with Job(snakemake) as job:
    build_validation(
        job.context("validation", job.input),
        [Path(path).name.removesuffix(".manifest.json") for path in job.input.features],
        job.config("validation"),
        noise=snakemake.params.noise,
    )
