"""Select the neutral images of one database."""

from affect4d.neutrals import build_neutrals
from affect4d.pipeline.job import Job
from affect4d.quarantine import Quarantine

with Job(snakemake) as job:
    name, settings = job.wildcards.database, job.config("neutrals")
    build_neutrals(
        name,
        settings.databases[name],
        settings,
        job.root,
        Quarantine("neutrals", job.strict),
        lambda files, further: job.provenance(name, [*job.input, *files], further),
    )
