"""Join the scans of all chunks with their annotations."""

from pathlib import Path

from affect4d.config.gallery import files_root
from affect4d.gallery.tables import write_frames
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    relative_to = files_root(job.config("gallery"), job.root)
    write_frames(
        job.root / "gallery",
        [Path(path).name.removesuffix(".manifest.json") for path in job.input.scans],
        job.provenance(
            job.item,
            job.input,
            {} if relative_to == job.root else {"files_root": str(relative_to.absolute())},
        ),
    )
