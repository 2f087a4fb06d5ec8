"""Read a sample of the synthesized images by independent networks, where they are installed."""

from affect4d.artifacts.declaration import store_of
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template
from affect4d.synthesis.readings import read_sample
from affect4d.template.anatomy import anatomy_of

with Job(snakemake) as job:
    read_sample(
        job.context("readers", job.input),
        [store_of(manifest) for manifest in snakemake.input.synthesis],
        anatomy=anatomy_of(read_template(job.root)),
        settings=job.config("readers"),
        synthesis=job.config("synthesis"),
    )
