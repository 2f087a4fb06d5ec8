"""Join the scans of all chunks with their annotations."""

from pathlib import Path

from affect4d.config.gallery import files_root
from affect4d.gallery.frames import write_frames
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    write_frames(
        [Path(path).name.removesuffix(".manifest.json") for path in job.input.scans],
        files_root(job.config("gallery"), job.root),
        job.context("gallery", job.input),
    )
