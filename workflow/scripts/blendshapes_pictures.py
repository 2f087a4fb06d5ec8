"""Draw what the classes' blendshapes are like."""

import pandas as pd

from affect4d.artifacts.affectspace import CLASSES
from affect4d.artifacts.reading import open_file
from affect4d.blendshapes.illustrate import write_pictures
from affect4d.pipeline.job import Job
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    write_pictures(
        job.context("blendshapes", job.input),
        load_template(template.mesh, template.landmarks),
        pd.read_parquet(open_file(CLASSES.path(job.root)))["count"].to_numpy(),
    )
