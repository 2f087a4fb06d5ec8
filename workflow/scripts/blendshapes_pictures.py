"""Draw what the classes' blendshapes are like."""

import pandas as pd

from affect4d.artifacts.affectspace import CLASSES
from affect4d.artifacts.reading import open_file
from affect4d.blendshapes.illustrate import write_pictures
from affect4d.pipeline.job import Job
from affect4d.registration.common_template import read_template

with Job(snakemake) as job:
    write_pictures(
        job.context("blendshapes", job.input),
        read_template(job.root),
        pd.read_parquet(open_file(CLASSES.path(job.root)))["count"].to_numpy(),
    )
