"""Fit the blendshape models of the basic expressions and collect them."""

from affect4d.blendshapes.classes import ClassFitter
from affect4d.blendshapes.expressions import fit_expressions
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template

with Job(snakemake) as job:
    fitter = ClassFitter(
        job.context("blendshapes", [job.input.template]),
        read_template(job.root),
        settings=job.config("blendshapes"),
        plane=job.config("affectspace"),
    )
    fit_expressions(fitter)
