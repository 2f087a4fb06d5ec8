"""Collect the classes' mean deformations in the atlas."""

import pandas as pd

from affect4d.blendshapes.atlas import remove_former, write_atlas
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    classes = pd.read_parquet(job.root / "affectspace/classes.parquet")
    remove_former(job.root / "blendshapes", set(classes["name"]), len(job.input.classes))
    write_atlas(
        job.root / "blendshapes/atlas.zarr",
        job.root / "blendshapes",
        classes,
        len(load_template(template.mesh, template.landmarks).vertices),
        job.provenance(job.item, job.input),
        job.config("blendshapes").interpolate,
    )
