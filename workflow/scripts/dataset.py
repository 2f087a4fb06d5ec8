"""Publish the synthesized images as a dataset."""

from pathlib import Path

from affect4d.artifacts.dataset import PHOTOGRAPH, RENDERED
from affect4d.artifacts.declaration import store_of
from affect4d.dataset import publish_dataset
from affect4d.dataset.exact_labels import make_exact_labels
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    settings = job.config("dataset")
    databases = job.config("neutrals").databases
    publish_dataset(
        job.context("dataset", job.input),
        [store_of(manifest) for manifest in job.input.synthesis],
        kinds={
            name: RENDERED if database.built_folder else PHOTOGRAPH
            for name, database in databases.items()
        },
        decisions={
            name: Path(database.decisions)
            for name, database in databases.items()
            if database.decisions
        },
        settings=settings,
        gallery=job.config("gallery").source,
        target=job.config("blendshapes").target,
        labels=make_exact_labels(job.root, job.config("synthesis"), seed=job.seed)
        if settings.labels
        else None,
    )
