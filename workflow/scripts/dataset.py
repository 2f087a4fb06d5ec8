"""Publish the synthesized images as a dataset."""

from pathlib import Path

from affect4d.dataset import publish
from affect4d.pipeline.job import Job

with Job(snakemake) as job:
    databases = job.config("neutrals").databases
    manifests = [Path(path) for path in job.input.synthesis]
    publish(
        [path.with_name(path.name.removesuffix(".manifest.json") + ".zarr") for path in manifests],
        kinds={
            name: "rendered" if database.built_folder else "photograph"
            for name, database in databases.items()
        },
        out=job.root / "dataset",
        settings=job.config("dataset"),
        seed=job.seed,
        provenance=job.provenance("dataset", manifests),
    )
