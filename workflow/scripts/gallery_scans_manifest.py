"""Check one chunk of the user's table of scans."""

from affect4d.gallery.manifest import write_scans
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    write_scans(
        job.root / "gallery",
        job.wildcards.chunk,
        job.config("gallery"),
        Quarantine("gallery", job.strict),
        job.provenance,
    )
