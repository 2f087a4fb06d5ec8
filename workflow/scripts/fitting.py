"""Fit the morphable model to one chunk of a database's neutral images."""

from affect4d.config.fitting import chunk_names
from affect4d.fitting.chunks import deal, fit_images, read_accepted, write_quarantine
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    database, chunk, settings = (*job.wildcards, job.config("fitting"))
    accepted = read_accepted(job.root / "neutrals" / database / "accepted.csv")
    quarantine = Quarantine("fitting", job.strict)
    provenance = job.provenance(job.item, job.input)
    folder = job.root / "fits" / database
    fit_images(
        deal(accepted, chunk, chunk_names(settings)),
        job.root / "fits" / "model.zarr",
        settings,
        job.root,
        folder / f"{chunk}.zarr",
        quarantine,
        provenance,
    )
    write_quarantine(quarantine, folder / "quarantine" / f"{chunk}.csv", provenance)
