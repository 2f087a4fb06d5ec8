"""Check the annotations of the user's table of scans."""

from affect4d.gallery.manifest import read_annotations
from affect4d.gallery.tables import write_annotations
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    quarantine = Quarantine("gallery", job.strict)
    table = job.config("gallery").manifest.table
    write_annotations(
        job.root / "gallery",
        read_annotations(job.root / "gallery", table, quarantine),
        quarantine,
        job.provenance(job.item, job.input),
    )
