"""Write the page on what the build made."""

import json
from pathlib import Path

from affect4d.audit.report import write_report
from affect4d.formats.template import load_template
from affect4d.job import Job

with Job(snakemake) as job:
    template = job.config("template")
    write_report(
        job.root,
        Path(job.output[0]),
        load_template(template.mesh, template.landmarks),
        dict(snakemake.config),
        json.loads(Path(job.input.audit).read_text()),
    )
