"""Audit the whole build and write the verdict; a broken build stops here only when strict."""

import logging
import sys
from pathlib import Path

from affect4d import store
from affect4d.audit import audit_build
from affect4d.pipeline.job import Job

log = logging.getLogger("affect4d.audit")

with Job(snakemake) as job:
    verdict = audit_build(job.root, threads=job.workers)
    for line in verdict.text().splitlines():
        log.log(logging.INFO if verdict.intact else logging.ERROR, line)
    with store.atomic(Path(job.output[0])) as unfinished:
        unfinished.write_bytes(store.canonical(verdict.record()))
    if job.strict and not verdict.intact:
        sys.exit(verdict.exit_code)
