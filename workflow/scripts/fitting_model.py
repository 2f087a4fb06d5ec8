"""Learn the 3D morphable model from the registered gallery."""

from affect4d.fitting.chunks import build_model
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    build_model(
        job.input.sequences,
        load_template(template.mesh, template.landmarks),
        job.config("fitting"),
        job.root / "fits" / "model.zarr",
        job.provenance("model", job.input),
    )
