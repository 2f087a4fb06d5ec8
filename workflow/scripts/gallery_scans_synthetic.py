"""Scan one chunk of synthetic people."""

from affect4d.artifacts.declaration import store_of
from affect4d.gallery.jobs import chunks
from affect4d.gallery.synthetic.scans import scan_chunk
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings, chunk = job.config("gallery"), job.wildcards.chunk
    scan_chunk(
        chunk,
        chunks(settings)[chunk],
        settings.recording,
        model=store_of(job.input.model),
        context=job.context("gallery", job.input),
    )
