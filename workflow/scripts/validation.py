"""Measure what the shapes tell of valence and arousal (Table 1)."""

from affect4d import store
from affect4d.formats.quarantine import Quarantine
from affect4d.formats.template import load_template
from affect4d.job import Job
from affect4d.validation.build import build_validation

with Job(snakemake) as job:
    template = job.config("template")
    files = build_validation(
        job.root,
        load_template(template.mesh, template.landmarks),
        job.config("validation"),
        job.config("blendshapes"),
        job.seed,
        Quarantine("validation", job.strict),
    )
    store.record(job.output[0], files, job.provenance(job.item, job.input))
