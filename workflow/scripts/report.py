"""Write the page on what the build made."""

import json
from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.report.page import write_report

with Job(snakemake) as job:
    write_report(
        job.root,
        Path(job.output[0]),
        config=dict(snakemake.config),
        audit=json.loads(Path(job.input.audit).read_text()),
    )
