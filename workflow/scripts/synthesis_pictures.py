"""Draw some photographs over the plane, by both blends."""

from affect4d.artifacts.declaration import store_of
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template
from affect4d.synthesis.illustrate import write_pictures
from affect4d.template.anatomy import anatomy_of

with Job(snakemake) as job:
    write_pictures(
        job.context("synthesis", job.input),
        [store_of(manifest) for manifest in snakemake.input.fits],
        anatomy=anatomy_of(read_template(job.root)),
        settings=job.config("synthesis"),
    )
