"""Fit the blendshape models of the basic expressions and collect them."""

from affect4d.blendshapes.expressions import fit_expressions
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    fit_expressions(
        job.root,
        load_template(template.mesh, template.landmarks),
        job.config("blendshapes"),
        job.config("affectspace"),
        Quarantine("blendshapes", job.strict),
        lambda item, inputs, further: job.provenance(item, [job.input.template, *inputs], further),
        snakemake.threads,
    )
