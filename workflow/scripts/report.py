"""Write the page on what the build made."""

from pathlib import Path

from affect4d.audit.verdict import read_verdict
from affect4d.pipeline.job import Job
from affect4d.report.page import write_report

with Job(snakemake) as job:
    write_report(
        job.root,
        Path(job.output[0]),
        config=dict(snakemake.config),
        audit=read_verdict(job.root) or {},
    )
