"""Why jobs run again: what their artifacts state, compared with what the workflow at hand would."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from affect4d.provenance.planned_jobs import PlannedJob
from affect4d.provenance.recorded_settings import leaves
from affect4d.store import Manifest, StoreError, read_manifest

Causes = dict[str, list[PlannedJob]]  # cause -> the jobs that run for it
_MAX_SHOWN = 60  # characters of a setting's value


def explain_jobs(jobs: Iterable[PlannedJob], root: Path) -> tuple[Causes, list[PlannedJob]]:
    """The causes of their own that jobs run for, and the jobs that only follow others.

    Parameters
    ----------
    jobs : that snakemake would run
    root : the results folder
    """
    causes: Causes = {}
    follows = []
    for job in jobs:
        own = list(_own_causes(job, root))
        for cause in own:
            causes.setdefault(cause, []).append(job)
        if not own:
            follows.append(job)
    return causes, follows


def _own_causes(job: PlannedJob, root: Path) -> Iterator[str]:
    """Why a job would run, whatever other jobs do."""
    made = [manifest for name in job.outputs if (manifest := _read(root / name))]
    if len(made) < len(job.outputs):
        yield "an artifact is missing"
        return
    stated = False
    for manifest in made[:1]:
        if manifest.code != job.code:
            stated = True
            yield "its code changed"
        old = dict(leaves(manifest.settings))
        for path, value in leaves(job.settings):
            if path not in old or old[path] != value:
                stated = True
                yield f"setting {'.'.join(path)}: {_shown(old.get(path))} -> {_shown(value)}"
    if not stated and not job.only_follows:
        yield str(job.description["reason"]).split("\n")[0]


def _read(path: Path) -> Manifest | None:
    try:
        return read_manifest(path)
    except (StoreError, OSError):
        return None


def _shown(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
