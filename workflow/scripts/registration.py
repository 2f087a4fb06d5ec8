"""Register one chunk of sequences."""

from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine
from affect4d.registration.sequences import load_registrar, register_chunk

with Job(snakemake) as job:
    register_chunk(
        load_registrar(job.root / "registration/template.zarr", job.config("registration")),
        scans=job.root / f"gallery/scans/{job.wildcards.chunk}.csv",
        root=Path(snakemake.params.scans_root),
        quarantine=Quarantine("registration", job.strict),
        provenance=lambda item, files, extra: job.provenance(
            item, [job.input.template, *files], extra
        ),
        manifest=job.output[0],
        progress=job.progress,
    )
