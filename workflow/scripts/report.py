"""Write the page on what the build made."""

import json
from pathlib import Path

from affect4d.pipeline.job import Job
from affect4d.report.report import write_report
from affect4d.template.template import load_template

with Job(snakemake) as job:
    template = job.config("template")
    write_report(
        job.root,
        Path(job.output[0]),
        load_template(template.mesh, template.landmarks),
        dict(snakemake.config),
        json.loads(Path(job.input.audit).read_text()),
    )
