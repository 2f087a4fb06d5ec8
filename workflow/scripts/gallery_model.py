"""Build the generator of synthetic people."""

from affect4d.gallery.synthetic.model import write_model
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    write_model(
        load_template(template.mesh, template.landmarks),
        job.config("gallery").synthetic.scan_vertices,
        job.context("gallery", job.input),
    )
