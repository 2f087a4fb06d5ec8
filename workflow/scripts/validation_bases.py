"""Split the subjects and span the bases of the apex frames."""

from affect4d.pipeline.job import Job
from affect4d.template.template import load_template
from affect4d.validation.prepare import prepare_bases

with Job(snakemake) as job:
    template = job.config("template")
    prepare_bases(
        job.context("validation", [job.input.template]),
        load_template(template.mesh, template.landmarks),
        job.config("validation"),
        blendshapes=job.config("blendshapes"),
    )
