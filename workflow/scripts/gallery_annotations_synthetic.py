"""Annotate the synthetic sequences."""

from affect4d.config.gallery import subjects
from affect4d.gallery.synthetic.sequences import annotations
from affect4d.gallery.tables import write_annotations
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    settings = job.config("gallery")
    write_annotations(
        job.root / "gallery",
        annotations(settings.recording, subjects(settings), job.seed),
        Quarantine("gallery", job.strict),
        job.provenance(job.item, []),
    )
