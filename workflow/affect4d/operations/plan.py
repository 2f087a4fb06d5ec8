"""What the next run of snakemake will do and cost: jobs, processor time, memory, disk, files."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from affect4d.config.project import Project
from affect4d.config.synthesis import Settings
from affect4d.operations.changes import explain_jobs
from affect4d.operations.costs import RuleCost, average, learn_costs
from affect4d.operations.image_work import measure_image_work
from affect4d.operations.sizes import Sizes, count_sizes
from affect4d.plurals import plural
from affect4d.provenance.planned_jobs import AS_IS, PlannedJob, list_jobs, stated_config

# What a job on a cluster costs before its work, measured by benchmarks/scale.py (`job`) on 2 cores:
# Snakemake starts, parses the workflow and plans the job.
CLUSTER_START_S = 6.0
_S_PER_H, _MB_PER_GB = 3600, 1024


@dataclass(frozen=True)
class JobCost:
    """A job to run, and what it is expected to cost: s of a processor, MB of memory and disk."""

    job: PlannedJob
    seconds: float
    memory: float
    mb: float
    files: float


@dataclass(frozen=True)
class Plan:
    """The jobs to run, each with its cost.

    Attributes
    ----------
    jobs : in the order of the workflow
    done : jobs that need not run
    workers : how many run at a time
    unknown : rules of which no former run is known
    basis : what the costs were learnt from
    notes : what could not be counted, and why
    """

    jobs: tuple[JobCost, ...]
    done: int
    workers: int
    unknown: tuple[str, ...]
    basis: str
    notes: tuple[str, ...] = ()

    @cached_property
    def _before(self) -> dict[int, list[int]]:
        """The jobs that each job waits for, by position."""
        made = {path: i for i, cost in enumerate(self.jobs) for path in _outputs(cost.job)}
        return {
            i: sorted({made[path] for path in _inputs(cost.job) if path in made})
            for i, cost in enumerate(self.jobs)
        }

    @cached_property
    def _after(self) -> dict[int, list[int]]:
        """The jobs that wait for each job, by position."""
        after = defaultdict(list)
        for job, earlier in self._before.items():
            for other in earlier:
                after[other].append(job)
        return after

    @cached_property
    def _rest(self) -> dict[int, float]:
        """Seconds of the longest chain from each job to the end."""
        rest: dict[int, float] = {}
        open_jobs = {i: len(self._after[i]) for i in range(len(self.jobs))}
        ready = [i for i, count in open_jobs.items() if not count]
        while ready:
            i = ready.pop()
            longest = max((rest[j] for j in self._after[i]), default=0.0)
            rest[i] = self.jobs[i].seconds + longest
            for j in self._before[i]:
                open_jobs[j] -= 1
                if not open_jobs[j]:
                    ready.append(j)
        return rest

    @property
    def longest_chain(self) -> list[JobCost]:
        """The jobs that follow one another and take longest together."""
        following = list(range(len(self.jobs)))
        chain = []
        while following:
            i = max(following, key=lambda i: self._rest[i])
            chain.append(self.jobs[i])
            following = self._after[i]
        return chain

    def makespan(self) -> float:
        """Seconds with `workers` jobs at a time, those with the longest chain behind them first."""
        waiting = {i: len(earlier) for i, earlier in self._before.items()}
        ready = [(-self._rest[i], i) for i, count in waiting.items() if not count]
        heapq.heapify(ready)
        running: list[tuple[float, int]] = []
        now = 0.0
        while ready or running:
            while ready and len(running) < self.workers:
                _, i = heapq.heappop(ready)
                heapq.heappush(running, (now + self.jobs[i].seconds, i))
            now, i = heapq.heappop(running)
            for j in self._after[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heapq.heappush(ready, (-self._rest[j], j))
        return now

    def table(self) -> pd.DataFrame:
        """One row per rule: jobs, CPU h, longest job in minutes, memory and disk in GB, files."""
        rows = [
            (c.job.rule, c.seconds / _S_PER_H, c.seconds / 60, c.memory / _MB_PER_GB,
             c.mb / _MB_PER_GB, c.files)
            for c in self.jobs
        ]  # fmt: skip
        columns = ["rule", "CPU h", "longest, min", "memory, GB", "disk, GB", "files"]
        table = pd.DataFrame(rows, columns=columns).groupby("rule", sort=False)
        return table.agg(
            **{
                "jobs": ("CPU h", "size"),
                "CPU h": ("CPU h", "sum"),
                "longest, min": ("longest, min", "max"),
                "memory, GB": ("memory, GB", "max"),
                "disk, GB": ("disk, GB", "sum"),
                "files": ("files", "sum"),
            }
        )

    @property
    def _is_known(self) -> bool:
        """Whether a former run says what any of the jobs takes: none takes no memory."""
        return any(cost.memory for cost in self.jobs)

    def record(self) -> dict[str, object]:
        """The totals as JSON values; None where no former run is known."""
        figures = {
            "cpu_h": sum(c.seconds for c in self.jobs) / _S_PER_H,
            "hours": self.makespan() / _S_PER_H,
            "memory_gb": max((c.memory for c in self.jobs), default=0.0) / _MB_PER_GB,
            "disk_gb": sum(c.mb for c in self.jobs) / _MB_PER_GB,
            "files": round(sum(c.files for c in self.jobs)),
            "chain_h": sum(c.seconds for c in self.longest_chain) / _S_PER_H,
            "chain": [c.job.rule for c in self.longest_chain],
        }
        known = self._is_known or not self.jobs
        return {
            "jobs": len(self.jobs),
            "done": self.done,
            **(figures if known else dict.fromkeys(figures)),
            "workers": self.workers,
            "without_former_run": list(self.unknown),
            "basis": self.basis,
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """The plan as lines."""
        if not self.jobs:
            return f"nothing to do: all {self.done} jobs are done"
        if not self._is_known:
            lines = [
                self.table()["jobs"].to_string(),
                "",
                f"{len(self.jobs)} {plural(len(self.jobs), 'job')} to run, {self.done} done",
                "time, memory and disk: not known without a former build, which --former names",
            ]
            return "\n".join(lines)
        total, chain = self.record(), [cost.job.rule for cost in self.longest_chain]
        top = sorted((cost.memory for cost in self.jobs), reverse=True)[: self.workers]
        lines = [
            self.table().round(3).to_string(),
            "",
            f"{total['jobs']} {plural(len(self.jobs), 'job')} to run, {self.done} done",
            f"time: {total['cpu_h']:.2f} CPU h; with {self.workers} jobs at a time about "
            f"{total['hours']:.2f} h",
            f"longest chain: {total['chain_h']:.2f} h, {' > '.join(dict.fromkeys(chain))}",
            f"memory: {total['memory_gb']:.2f} GB in the largest job, at most "
            f"{sum(top) / _MB_PER_GB:.2f} GB at a time",
            f"disk: {total['disk_gb']:.2f} GB in {total['files']} files; nothing is temporary, so "
            "this is the peak",
            f"basis: {self.basis}",
        ]
        if self.unknown:
            lines.append(f"no former run of {', '.join(self.unknown)}: the mean of the others")
        lines += self.notes
        return "\n".join(lines)


def make_plan(
    configs: Iterable[Path],
    former: Iterable[Path],
    *,
    workers: int,
    on_cluster: bool = False,
    from_nothing: bool = False,
) -> Plan:
    """The plan of the workflow in the working directory.

    Parameters
    ----------
    configs : files that lie over config.yaml
    former : results folders of finished builds, whose costs are those to expect
    workers : jobs at a time
    on_cluster : every job starts Snakemake anew
    from_nothing : plan every job, whatever is built

    Raises
    ------
    StoreError, BadInput
        A former build cannot be used, or the user's table.
    ValueError
        The workflow refuses the configuration; the text is its last line.
    """
    former = list(former)
    arguments = [*map(str, configs), *([] if from_nothing else [AS_IS])]
    config, jobs = list_jobs(*arguments)
    project = Project.model_validate(config)
    needed = [job for job in jobs if job.is_needed]
    sizes = count_sizes(project, Path(project.results))
    if any(job.rule == "synthesis" for job in needed):
        sizes = _with_image_work(sizes, project.synthesis, former)
    costs = learn_costs(former, sizes.work)
    start = CLUSTER_START_S if on_cluster else 0.0
    runs = sum(cost.runs for cost in costs.values())
    names = ", ".join(map(str, former)) or "no former build"
    return Plan(
        tuple(_cost(job, costs, sizes, start=start) for job in needed),
        len(jobs) - len(needed),
        workers,
        tuple(sorted({sizes.kind(job.rule) for job in needed} - set(costs))),
        f"{runs} runs of jobs in {names}",
        sizes.notes,
    )


def _with_image_work(sizes: Sizes, settings: Settings, former: Iterable[Path]) -> Sizes:
    """The sizes, with what an image takes where a former build's are of another size."""
    wanted, notes = (settings.size, settings.samples), list(sizes.notes)
    for root in former:
        made = Project.model_validate(stated_config(root)).synthesis
        if (made.size, made.samples) != wanted:
            work = measure_image_work(root)
            if work is not None:
                return replace(sizes, work=work)
            notes.append(f"{root} has too few faces to try what images of another size take")
    return replace(sizes, notes=tuple(notes))


def _cost(job: PlannedJob, costs: Mapping[str, RuleCost], sizes: Sizes, *, start: float) -> JobCost:
    cost = costs.get(sizes.kind(job.rule))
    if cost is None:
        seconds = average(costs, lambda c: c.seconds)
        return JobCost(job, start + seconds, average(costs, lambda c: c.memory), 0.0, 0.0)
    return JobCost(
        job,
        start + cost.seconds.at(sizes.units(job.rule, job.wildcards)),
        cost.memory.at(sizes.held(job.rule, job.wildcards)),
        cost.mb.at(sizes.stored(job.rule, job.wildcards)),
        cost.files.at(sizes.files(job.rule, job.wildcards)),
    )


def _outputs(job: PlannedJob) -> list[str]:
    return [str(path) for path in job.description["output"]["values"]]


def _inputs(job: PlannedJob) -> list[str]:
    return [str(path) for path in job.description["input"]["values"]]


def _named(jobs: Iterable[PlannedJob]) -> str:
    counts = Counter(job.rule for job in jobs)
    return ", ".join(f"{rule} {count}" for rule, count in counts.items())


def text_of_changes(configs: Iterable[Path]) -> str:
    """What the next run would make again and why: causes with their jobs, then what follows.

    Raises
    ------
    ValueError, StoreError
        As of `make_plan`.
    """
    config, jobs = list_jobs(*map(str, configs), AS_IS)
    needed = [job for job in jobs if job.is_needed]
    if not needed:
        return f"nothing changed: all {len(jobs)} jobs are done"
    causes, follows = explain_jobs(needed, Path(str(config["results"])))
    lines = []
    for cause, jobs_of in causes.items():
        lines.append(f"{cause}: {_named(jobs_of)}")
    if follows:
        words = plural(len(follows), "job follows", "jobs follow")
        lines.append(f"{len(follows)} {words}: {_named(follows)}")
    lines.append(f"{len(needed)} of {len(jobs)} jobs run, {len(jobs) - len(needed)} stay")
    return "\n".join(lines)
