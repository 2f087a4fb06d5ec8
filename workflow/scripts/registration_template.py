"""Prepare the template for registration, moved to the gallery's mean where that is asked for."""

from pathlib import Path

from affect4d.artifacts.gallery import SCANS
from affect4d.config.project import ADAPT_PEOPLE
from affect4d.pipeline.job import Job
from affect4d.registration.adaptation import Sample, write_adapted
from affect4d.registration.sequences import write_template
from affect4d.template.template import load_template

with Job(snakemake) as job:
    source = job.config("template")
    files = [path for path in (source.mesh, source.landmarks) if path is not None]
    context = job.context("registration", files)
    template = load_template(source.mesh, source.landmarks)
    if job.input.scans:
        chunks = [Path(path).name.removesuffix(".manifest.json") for path in job.input.scans]
        tables = [SCANS.path(job.root, chunk=chunk) for chunk in chunks]
        people, root = source.adapt_people, Path(snakemake.params.scans_root)
        sample = Sample(tables, root, people or ADAPT_PEOPLE, required=people is not None)
        write_adapted(context, template, sample, settings=job.config("registration"))
    else:
        write_template(context, template)
