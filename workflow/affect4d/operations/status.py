"""How far a build is: jobs done and left, those that run, the rate, the time left, the failed.

A job is done when its manifests are there and nothing asks for it again. One that has a log and is
not done runs, failed or was killed: the last line of its log says which, and Snakemake's mark of
unfinished outputs.
"""

import base64
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect4d.operations.plan import JobCost, Plan
from affect4d.provenance.planned_jobs import AS_IS, PlannedJob, list_jobs, recorded_run

RATE_S = 3600.0  # the last hour says how fast the build is


@dataclass(frozen=True)
class FailedJob:
    """A job that ended without its artifacts, and its last word."""

    job: PlannedJob
    line: str


@dataclass(frozen=True)
class Status:
    """Where a build stands.

    Attributes
    ----------
    jobs : number of jobs by rule: done, all
    running : jobs that are marked as unfinished while a snakemake holds its lock
    failed : jobs with a log whose artifacts are missing, and that do not run
    per_hour : jobs done in the last hour, or since the first of them
    left_s : estimate of the time left, s: at the rate of the last hour, or where nothing was done
        in it (`per_hour` is 0) as `affect4d plan` does, from what jobs took before; None where no
        run of a job is recorded
    """

    jobs: dict[str, tuple[int, int]]
    running: tuple[PlannedJob, ...]
    failed: tuple[FailedJob, ...]
    per_hour: float
    left_s: float | None

    def text(self) -> str:
        """The status as lines."""
        done, total = (sum(counts[i] for counts in self.jobs.values()) for i in (0, 1))
        lines = [f"{done} of {total} jobs are done, {total - done} left"]
        left = [f"{rule} {b - a} of {b}" for rule, (a, b) in self.jobs.items() if a < b]
        if left:
            lines.append(f"left: {', '.join(left)}")
        if self.running:
            lines.append(f"running: {', '.join(f'{j.rule} {j.item}' for j in self.running)}")
        if total > done:
            lines.append(self._time_left())
        for failed in self.failed:
            lines.append(f"FAILED {failed.job.rule} {failed.job.item}: {failed.line}")
        return "\n".join(lines)

    def _time_left(self) -> str:
        if self.left_s is None:
            remedy = "`affect4d plan --former RESULTS` estimates it from another build"
            return f"time left: not known before a job is done; {remedy}"
        minutes = self.left_s / 60
        about = (
            f"about {minutes:.0f} min left" if minutes < 100 else f"about {minutes / 60:.1f} h left"
        )
        if self.per_hour:
            return f"{self.per_hour:.0f} jobs per hour; {about}"
        return (
            f"{about}: an estimate from what jobs took before, with {_processors()} at a time, for "
            "no job was done in the last hour"
        )

    @property
    def exit_code(self) -> int:
        """1 where a job failed."""
        return int(bool(self.failed))


def find_status(configs: Iterable[Path]) -> Status:
    """The status of the build in the working directory.

    Parameters
    ----------
    configs : files that lie over config.yaml

    Raises
    ------
    StoreError, ValueError
        There is no workflow or configuration at hand, or the workflow refuses it.
    """
    config, jobs = list_jobs(*map(str, configs), AS_IS)
    root = Path(str(config["results"]))
    left = [job for job in jobs if not _is_done(job)]
    unfinished = _unfinished(Path(".snakemake"))
    running = tuple(job for job in left if unfinished & set(_outputs(job)))
    failed = tuple(
        FailedJob(job, line)
        for job in left
        if job not in running and not _are_there(job) and (line := _last_word(root, job))
    )
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for job in jobs:
        counts[job.rule][0] += job not in left
        counts[job.rule][1] += 1
    done = [job for job in jobs if job not in left]
    per_hour, left_s = _rate(root, done, left)
    if left_s is None:
        left_s = _estimate(root, done, left)
    return Status({r: (a, b) for r, (a, b) in counts.items()}, running, failed, per_hour, left_s)


def _outputs(job: PlannedJob) -> list[str]:
    return [str(path) for path in job.description["output"]["values"]]


def _are_there(job: PlannedJob) -> bool:
    # Snakemake removes them before a job starts
    return all(Path(path).exists() for path in _outputs(job))


def _is_done(job: PlannedJob) -> bool:
    return _are_there(job) and not job.is_needed


def _unfinished(memory: Path) -> set[str]:
    """Outputs that a snakemake, which runs, has marked as being made."""
    if not any((memory / "locks").glob("*")):
        return set()
    names = set()
    for path in (memory / "incomplete").rglob("*"):
        try:  # Snakemake encodes a path, and cuts it into folders where it is long
            encoded = "".join(
                part.removeprefix("@") for part in path.relative_to(memory / "incomplete").parts
            )
            names.add(base64.b64decode(encoded, altchars=b"-_", validate=True).decode())
        except ValueError:
            continue
    return names


def _last_word(root: Path, job: PlannedJob) -> str:
    """The last line of a job's log; "" where it has not started."""
    path = root / job.log
    try:
        lines = path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def _rate(root: Path, done: list[PlannedJob], left: list[PlannedJob]) -> tuple[float, float | None]:
    """Jobs per hour, and the seconds that those left will take at the rate of the last hour."""
    if not done:
        return 0.0, None
    now = time.time()
    ended = np.array([max(Path(path).stat().st_mtime for path in _outputs(j)) for j in done])
    cost = _costs(root, [*done, *left])
    recent = np.flatnonzero(ended > now - RATE_S)
    if not len(recent):
        return 0.0, None
    first = min(ended[i] - cost[i] for i in recent)
    span = min(max(now - first, 1.0), RATE_S)
    speed = sum(cost[i] for i in recent) / span  # s of work per s
    return len(recent) / span * 3600, float(sum(cost[len(done) :]) / speed)


def _estimate(root: Path, done: list[PlannedJob], left: list[PlannedJob]) -> float | None:
    """Seconds that the jobs left will take, as of all recorded runs; None where there is none."""
    jobs = [*left, *done]
    if not any(recorded_run(root, job) for job in jobs):
        return None
    costs = zip(left, _costs(root, jobs)[: len(left)], strict=True)
    priced = tuple(JobCost(job, seconds, 0.0, 0.0, 0.0) for job, seconds in costs)
    return Plan(priced, len(done), _processors(), (), "").makespan()


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _costs(root: Path, jobs: list[PlannedJob]) -> list[float]:
    """Seconds of each job, as recorded, or else the mean of its rule, or of all."""
    runs = [recorded_run(root, job) for job in jobs]
    by_rule: dict[str, list[float]] = defaultdict(list)
    for job, run in zip(jobs, runs, strict=True):
        if run is not None:
            by_rule[job.rule].append(run.seconds)
    means = {rule: float(np.mean(values)) for rule, values in by_rule.items()}
    rest = float(np.mean(list(means.values()))) if means else 1.0
    return [
        means.get(job.rule, rest) if run is None else run.seconds
        for job, run in zip(jobs, runs, strict=True)
    ]
