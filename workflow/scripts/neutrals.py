"""Select the neutral images of one database."""

from affect4d.config.registration import Settings
from affect4d.neutrals.build import build_neutrals
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    build_neutrals(
        job.wildcards.database,
        job.config("neutrals"),
        job.context("neutrals", job.input),
        registration=Settings.model_validate(snakemake.params.registration),
    )
