"""Collect the classes' mean deformations in the atlas."""

import pandas as pd

from affect4d.blendshapes.atlas import write_atlas
from affect4d.formats.template import load_template
from affect4d.job import Job

with Job(snakemake) as job:
    template = job.config("template")
    write_atlas(
        job.root / "blendshapes/atlas.zarr",
        job.root / "blendshapes",
        pd.read_parquet(job.root / "affectspace/classes.parquet"),
        len(load_template(template.mesh, template.landmarks).vertices),
        job.provenance(job.item, job.input),
        job.config("blendshapes").interpolate,
    )
