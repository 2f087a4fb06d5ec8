"""Split the subjects and span the bases of the apex frames."""

from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template
from affect4d.validation.prepare import prepare_bases

with Job(snakemake) as job:
    prepare_bases(
        job.context("validation", [job.input.template]),
        read_template(job.root),
        job.config("validation"),
        blendshapes=job.config("blendshapes"),
    )
