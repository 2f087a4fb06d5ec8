"""Draw how the registration went: overview, worst frames, people, one sequence, a real scan."""

from pathlib import Path

from affect4d.artifacts.registration import TEMPLATE
from affect4d.pipeline.job import Job
from affect4d.registration.pictures import write_pictures
from affect4d.registration.sequences import load_registrar

with Job(snakemake) as job:
    write_pictures(
        job.context("registration", job.input),
        scans=Path(snakemake.params.scans_root),
        registrar=load_registrar(TEMPLATE.path(job.root), job.config("registration")),
    )
