"""What a job costs, learnt from former builds: Snakemake's benchmark files, and manifests.

Processor time and memory of a rule are a start and a share per item (least absolute errors, neither
below zero). Where former jobs differ in size by less than twice, one cannot be told from the other:
then the start is that of the cheapest job of all and the rest grows with the items; memory, which
grows with pixels where a job holds images, is the largest seen where it does not hold any.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from affect4d.config.project import Project
from affect4d.operations.image_work import ImageWork
from affect4d.operations.sizes import Sizes, count_sizes
from affect4d.provenance.lineage import load_build
from affect4d.provenance.planned_jobs import PlannedJob, plan_jobs, recorded_run, stated_config

MIN_RATIO = 2.0  # between the sizes of jobs, for start and share to be told apart
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A figure of a job of `units` items: start + per_unit * units."""

    start: float
    per_unit: float

    def at(self, units: float) -> float:
        """The figure for so many items."""
        return self.start + self.per_unit * units


@dataclass(frozen=True)
class RuleCost:
    """The cost of a rule's jobs.

    Attributes
    ----------
    seconds : of a processor
    memory : MB, resident
    mb, files : that a job leaves in the results folder
    runs : how many former runs this was learnt from
    """

    seconds: Line
    memory: Line
    mb: Line
    files: Line
    runs: int


_RESOLUTION = 0.01  # of Snakemake's benchmark files, s and MB: the least that 0.00 can mean


@dataclass
class _Samples:
    units: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def learn_costs(former: Iterable[Path], work: ImageWork | None = None) -> dict[str, RuleCost]:
    """The cost of each kind of job (`Sizes.kind`), from the results folders of former builds.

    Parameters
    ----------
    former : results folders
    work : of synthesis, as for `Sizes`

    Raises
    ------
    StoreError
        A folder states no configuration: it holds no finished build.
    """
    samples: dict[str, _Samples] = defaultdict(_Samples)
    stored: dict[str, list[Floats]] = defaultdict(list)
    for root in former:
        sizes = count_sizes(Project.model_validate(stated_config(root)), root)
        if work is not None:
            sizes = replace(sizes, work=work)
        jobs = plan_jobs(root)
        _add_runs(samples, root, jobs, sizes=sizes)
        for rule, row in _stored(root, jobs, sizes).items():
            stored[rule].append(row)
    least_s = min((s for sample in samples.values() for s in sample.seconds), default=0.0)
    least_mb = min((mb for sample in samples.values() for mb in sample.memory), default=0.0)
    costs = {}
    for rule, sample in samples.items():
        time_line = _line(sample.units, sample.seconds, least_s)
        holds_images = sample.held != sample.units
        memory_line = _line(sample.held, sample.memory, least_mb if holds_images else np.inf)
        mb, files = (
            Line(0.0, float(total / items) if items else 0.0)
            for items, total in np.sum(stored[rule], axis=0)
        )
        costs[rule] = RuleCost(time_line, memory_line, mb, files, len(sample.units))
    return costs


def _add_runs(
    samples: Mapping[str, _Samples], root: Path, jobs: Iterable[PlannedJob], *, sizes: Sizes
) -> None:
    for job in jobs:
        run = recorded_run(root, job)
        if run is not None:
            sample = samples[sizes.kind(job.rule)]
            sample.units.append(sizes.units(job.rule, job.wildcards))
            sample.held.append(sizes.held(job.rule, job.wildcards))
            sample.seconds.append(run.cpu_s)
            sample.memory.append(run.memory_mb)


def _stored(root: Path, jobs: Iterable[PlannedJob], sizes: Sizes) -> dict[str, Floats]:
    """What size and number of each rule's files grow with, and MB and number: (2, 2)."""
    stored: dict[str, Floats] = defaultdict(lambda: np.zeros((2, 2)))
    for job in jobs:
        stored[sizes.kind(job.rule)][0, 0] += sizes.stored(job.rule, job.wildcards)
        stored[sizes.kind(job.rule)][1, 0] += sizes.files(job.rule, job.wildcards)
    for manifest in load_build(root).manifests.values():
        files = [file for file in manifest.files if not file.path.endswith(".manifest.json")]
        stored[sizes.kind(manifest.rule)][:, 1] += (
            sum(file.size for file in files) / 2**20,
            len(files) + 1,
        )
    return stored


def _line(items: list[float], figures: list[float], floor: float) -> Line:
    """The line through jobs of some items; from the floor on where all are of one size."""
    units, values = np.array(items), np.array(figures)
    if not units.any():
        return Line(float(values.mean() if np.isfinite(floor) else values.max()), 0.0)
    if units.max() >= MIN_RATIO * units.min():
        return _fit(units, values)
    if np.isinf(floor):
        return Line(float(values.max()), 0.0)
    start = min(floor, float(values.mean()))
    return Line(start, float((values.mean() - start) / units.mean()))


def _fit(units: Floats, values: Floats) -> Line:
    """The line of least absolute errors, relative to what it says itself.

    Not of least squares: one job that compiled code or met a busy node would bend it. Nor relative
    to what was measured: one job that had nothing to do would.
    """
    first = _least_absolute(units, values, np.ones_like(units))
    return _least_absolute(
        units, values, 1 / np.maximum(first.start + first.per_unit * units, _RESOLUTION)
    )


def _least_absolute(units: Floats, values: Floats, weights: Floats) -> Line:
    """The line of least absolute weighted errors whose coefficients are not negative."""
    design = np.stack([np.ones_like(units), units], axis=1) * weights[:, None]
    scale, goal = np.linalg.norm(design, axis=0), values * weights
    errors = np.eye(len(units))
    found = linprog(
        np.concatenate([np.zeros(2), np.ones(len(units))]),
        A_ub=np.block([[design / scale, -errors], [-design / scale, -errors]]),
        b_ub=np.concatenate([goal, -goal]),
    )
    start, per_unit = found.x[:2] / scale
    return Line(float(start), float(per_unit))


def average(costs: Mapping[str, RuleCost], figure: Callable[[RuleCost], Line]) -> float:
    """The mean start of a figure over all rules, for a rule without a former run."""
    return float(np.mean([figure(cost).at(1) for cost in costs.values()])) if costs else 0.0
