"""How far the label of a place of the plane is from the place that was asked for.

    python benchmarks/labels.py --results results

Places are drawn evenly from the plane. The mixture of classes around a place is what `affect4d
synth` gives; beside it stands one class's mean, as in the paper and with `--class-mean`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.natural_neighbour import in_hull, natural_neighbour_weights
from affect4d.blendshapes.targets import Atlas

PERCENT = (50, 90, 95, 99, 100)


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
    rows = {
        name: [len(each), *np.percentile(each, PERCENT).round(4)] for name, each in errors.items()
    }
    columns = ["places", *(f"{percent} %" for percent in PERCENT)]
    print(pd.DataFrame.from_dict(rows, orient="index", columns=columns).to_string())


if __name__ == "__main__":
    main()
