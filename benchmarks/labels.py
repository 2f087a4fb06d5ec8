"""How far the label of a place of the plane is from the place that was asked for.

    python benchmarks/labels.py --results results

Places are drawn evenly from the plane. The mixture of classes around a place is what `affect4d
synth` gives; beside it stands one class's mean, as in the paper and with `--class-mean`. Then as
many places are drawn on borders of classes: how far the farthest vertex goes when a border is
crossed, and over as long a step within a class.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbour_weights
from affect4d.blendshapes.path import Interpolant
from affect4d.blendshapes.targets import Atlas

PERCENT = (50, 90, 95, 99, 100)
STEP = 1e-3  # across a border, units of the plane
BATCH = 100  # places whose faces are in memory at a time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of a build")
    parser.add_argument("--count", type=int, default=1000, help="places")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    atlas = Atlas(ATLAS.path(options.results))
    medians = atlas.median[atlas.own]
    places = np.random.default_rng(options.seed).uniform(-1, 1, (options.count, 2))
    labels = natural_neighbour_weights(places, medians) @ medians
    mixed = np.linalg.norm(labels - places, axis=1)
    inside = in_hull(places, medians)
    classes = atlas.grid.assign(*places.T)
    has_class = np.isin(classes, atlas.usable)
    single = np.linalg.norm(atlas.median[classes[has_class]] - places[has_class], axis=1)
    errors = {
        "mixture, inside what the medians enclose": mixed[inside],
        "mixture, beyond": mixed[~inside],
        "one class's mean": single,
    }
    print("distance of the label from the place that was asked for")
    print(percentiles(errors))
    print(f"\nlargest motion of a vertex, mm, over a step of {STEP}")
    print(percentiles(steps(options)))


def steps(options):
    """Motion (N,) mm across borders of classes, and within classes."""
    interpolant = Interpolant.read(ATLAS.path(options.results))
    rng = np.random.default_rng(options.seed)
    borders = interpolant.grid.edges[1:-1]
    crossed = rng.uniform(-1, 1, (options.count, 2))
    axis = rng.integers(0, 2, options.count)
    rows = np.arange(options.count)
    crossed[rows, axis] = rng.choice(borders, options.count)
    away = np.zeros_like(crossed)
    away[rows, axis] = STEP / 2
    half_a_class = np.abs(np.diff(borders)[0]) / 2
    within = crossed + away * (2 * half_a_class / STEP) * np.where(crossed > 0, -1, 1)
    return {
        "over a border of classes": motion(interpolant, crossed - away, crossed + away),
        "in the middle of a class": motion(interpolant, within - away, within + away),
    }


def motion(interpolant, starts, ends):
    """Largest motion of a vertex (N,) mm between the faces of places (N, 2)."""
    change = interpolant.weights(ends) - interpolant.weights(starts)
    parts = [
        np.linalg.norm(interpolant.deformations(part), axis=2).max(axis=1)
        for part in np.array_split(change, -(-len(change) // BATCH))
    ]
    return np.concatenate(parts)


def percentiles(values):
    """A table of rows of values."""
    rows = {
        name: [len(each), *np.percentile(each, PERCENT).round(4)] for name, each in values.items()
    }
    columns = ["places", *(f"{percent} %" for percent in PERCENT)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).to_string()


if __name__ == "__main__":
    main()
