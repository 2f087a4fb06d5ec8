"""Measure what the shapes tell of valence and arousal (Table 1)."""

from pathlib import Path

from affect4d import store
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine
from affect4d.validation.build import build_validation

with Job(snakemake) as job:
    chunks = [Path(path).name.removesuffix(".manifest.json") for path in job.input.features]
    noise = {"annotation_noise": snakemake.params.noise}
    files = build_validation(
        job.root,
        chunks,
        job.config("validation"),
        job.seed,
        snakemake.params.noise,
        Quarantine("validation", job.strict),
        lambda item, inputs: job.provenance(item, [*job.input, *inputs], noise),
        snakemake.threads,
    )
    store.record(job.output[0], files, job.provenance(job.item, job.input, noise))
