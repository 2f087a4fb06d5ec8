"""Divide the valence-arousal plane into classes."""

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    files = build_affectspace(
        gallery=job.root / "gallery/frames.parquet",
        registered=job.root / "registered",
        out=job.root / "affectspace",
        settings=job.config("affectspace"),
        quarantine=Quarantine("affectspace", job.strict),
    )
    store.record(job.output[0], files, job.provenance(job.item, job.input))
