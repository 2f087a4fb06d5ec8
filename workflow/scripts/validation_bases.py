"""Split the subjects and span the bases of the apex frames."""

from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine
from affect4d.template.template import load_template
from affect4d.validation.prepare import prepare

with Job(snakemake) as job:
    template = job.config("template")
    prepare(
        job.root,
        load_template(template.mesh, template.landmarks),
        job.config("validation"),
        job.config("blendshapes"),
        job.seed,
        Quarantine("validation", job.strict),
        lambda item, inputs: job.provenance(item, [job.input.template, *inputs]),
        snakemake.threads,
    )
