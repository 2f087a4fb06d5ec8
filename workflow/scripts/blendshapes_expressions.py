"""Fit the blendshape models of the basic expressions and collect them."""

from affect4d.blendshapes.classes import ClassFitter
from affect4d.blendshapes.expressions import fit_expressions
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    fitter = ClassFitter(
        job.context("blendshapes", [job.input.template]),
        load_template(template.mesh, template.landmarks),
        settings=job.config("blendshapes"),
        plane=job.config("affectspace"),
    )
    fit_expressions(fitter)
