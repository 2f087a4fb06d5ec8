"""Scan one chunk of synthetic people."""

from affect4d.gallery.synthetic.scans import scan_chunk
from affect4d.gallery.table import chunks
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings, chunk = job.config("gallery"), job.wildcards.chunk
    scan_chunk(
        job.root / "gallery",
        chunk,
        chunks(settings)[chunk],
        job.input.model.removesuffix(".manifest.json") + ".zarr",
        settings.recording,
        job.seed,
        job.provenance,
        job.progress,
    )
