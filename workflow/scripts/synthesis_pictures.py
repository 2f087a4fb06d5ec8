"""Draw some photographs over the plane, by both blends."""

from affect4d.artifacts.declaration import store_of
from affect4d.pipeline.job import Job
from affect4d.synthesis.illustrate import write_pictures
from affect4d.template.anatomy import anatomy_of
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    write_pictures(
        job.context("synthesis", job.input),
        [store_of(manifest) for manifest in snakemake.input.fits],
        anatomy=anatomy_of(load_template(template.mesh, template.landmarks)),
        settings=job.config("synthesis"),
    )
