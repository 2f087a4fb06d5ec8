"""What of a build is computed again: parts drawn at random, evenly over the rules."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.artifacts import synthesis
from affect4d.provenance.lineage import Build
from affect4d.provenance.planned_jobs import PlannedJob, recorded_run
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

IMAGE = "image:"  # before the name of an image
START_S = 4.0  # of a process that imports the library and loads its compiled loops, on 2 cores


@dataclass(frozen=True)
class Part:
    """What can be computed again by itself.

    Attributes
    ----------
    name : of an artifact (one that a job makes alone, or an item of a job), or "image:ID"
    stratum : the rule, or "image"
    job : the job that made it
    seconds : how long it takes, by the run times that the build recorded; NaN where it did not
    """

    name: str
    stratum: str
    job: PlannedJob
    seconds: float


def list_parts(build: Build, jobs: Iterable[PlannedJob]) -> list[Part]:
    """Every part of a build: artifacts, items of jobs (sequences, classes), images."""
    parts = []
    for job in jobs:
        made = [name for name in job.outputs if name in build.manifests]
        if not made:
            continue
        seconds = _run_time(build, job)
        listed = [n for name in made for n in build.listed(name) if n.endswith(SUFFIX)]
        items = [n for n in listed if n in build.manifests and n not in made]
        for name in items or made[:1]:
            cost = START_S + seconds / (len(items) or 1)
            parts.append(Part(name.removesuffix(SUFFIX), job.rule, job, cost))
        images = _images(build, made[0])
        cost = START_S + seconds / max(len(images), 1)
        parts += [Part(f"{IMAGE}{image_id}", "image", job, cost) for image_id in images]
    return parts


def draw_parts(parts: list[Part], count: int, seed: int) -> list[Part]:
    """Draw `count` parts without repetition, one of each stratum in turn, strata in random order.

    Where parts are left in several strata but not enough to be drawn for each, chance decides.
    """
    rng = np.random.default_rng(seed)
    strata: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda part: part.name):
        strata.setdefault(part.stratum, []).append(part)
    ranked = []
    for name in sorted(strata):
        order = rng.permutation(len(strata[name]))
        ties = rng.random(len(order))
        ranked += [(turn, ties[turn], strata[name][i]) for turn, i in enumerate(order)]
    ranked.sort(key=lambda entry: entry[:2])
    return [part for _, _, part in ranked[:count]]


def detection_probability(sizes: dict[str, int], stratum: str, forged: int, *, count: int) -> float:
    """The probability that `draw_parts` draws a forged part of a stratum.

    Parameters
    ----------
    sizes : number of parts of each stratum
    stratum : where the forged parts are
    forged : how many parts of it would not come out the same
    count : how many parts are drawn in all
    """
    turns, left = 0, count
    while left >= (open_strata := sum(size > turns for size in sizes.values())) > 0:
        left -= open_strata
        turns += 1
    extra = left / open_strata if open_strata and sizes[stratum] > turns else 0.0
    missed = [_missed(sizes[stratum], forged, drawn) for drawn in (turns, turns + 1)]
    return 1 - (1 - extra) * missed[0] - extra * missed[1]


def _missed(size: int, forged: int, drawn: int) -> float:
    """The probability that none of the forged parts is among those drawn."""
    drawn = min(drawn, size)
    return math.comb(size - forged, drawn) / math.comb(size, drawn)


def _run_time(build: Build, job: PlannedJob) -> float:
    """Seconds that the job took, as Snakemake recorded them; NaN where it did not."""
    figures = recorded_run(build.root, job)
    return math.nan if figures is None else figures.seconds


def _images(build: Build, manifest: str) -> list[str]:
    """The image_ids of a chunk of images; of anything else none."""
    name = manifest.removesuffix(SUFFIX) + ".zarr"
    if synthesis.CHUNK.match(name) is None:
        return []
    try:
        return [str(each) for each in store.open(build.root / name).attributes["image_ids"]]
    except (StoreError, KeyError, TypeError):
        return []
