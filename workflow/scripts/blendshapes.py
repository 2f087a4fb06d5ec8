"""Fit the blendshape models of one group of classes."""

from affect4d.blendshapes.classes import fit_group
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    fit_group(
        int(job.wildcards.group),
        job.root,
        load_template(template.mesh, template.landmarks),
        job.config("blendshapes"),
        job.config("affectspace"),
        Quarantine("blendshapes", job.strict),
        lambda item, inputs, further: job.provenance(item, [job.input.template, *inputs], further),
        snakemake.threads,
    )
