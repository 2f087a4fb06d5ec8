"""Fit the blendshape models of one group of classes."""

from affect4d.blendshapes.classes import ClassFitter, fit_group
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template

with Job(snakemake) as job:
    fitter = ClassFitter(
        job.context("blendshapes", [job.input.template]),
        read_template(job.root),
        settings=job.config("blendshapes"),
        plane=job.config("affectspace"),
    )
    fit_group(fitter, int(job.wildcards.group))
