"""Register one chunk of sequences."""

from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.registration.sequences import load_registrar, register_chunk

with Job(snakemake) as job:
    context = job.context("registration", [job.input.template])
    register_chunk(
        context,
        load_registrar(job.root / "registration/template.zarr", job.config("registration")),
        job.root / f"gallery/scans/{context.item}.csv",
        files_root=Path(snakemake.params.scans_root),
    )
