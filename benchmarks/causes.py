"""What makes images show the expression that is asked for: gallery, class means, appearance.

    python benchmarks/causes.py --results results --before older/results --people 20

People photographed neutral (as for benchmarks/readers.py) are given the basic expressions, with
each cause switched on alone, with all and with none: the gallery (the expressions of --results in
place of those of an older build, --before; left out without it), the target (`strength` in place of
the plain `mean`), the appearance (light, folds and thin lips in place of shape alone). Prints, for
each expression, the share read as asked and the mean probability of the asked expression, with
its 95 % interval over people.

Exit status 0 always: there are no thresholds.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import readers_people as make
from scipy.stats import bootstrap
from tqdm import tqdm

from affect4d import store
from affect4d.blendshapes.targets import Expressions
from affect4d.config.gallery import EXPRESSIONS
from affect4d.readers.reading import EXPRESSIONS as READ
from affect4d.readers.reading import read_faces

SHAPE_ALONE = {"relight": 0, "folds": 0, "lip_thinning": 0}
CAUSES = ("gallery", "strength", "appearance")
COLUMNS = [READ.index(name) for name in EXPRESSIONS]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--before", type=Path, help="of an older build, on the same template")
    parser.add_argument("--people", type=int, help="the first N (default: all)")
    parser.add_argument("--side", type=int, default=675, help="pixels of a photograph")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    people = make.open_people(arguments.people, arguments.side, arguments.cache)
    cases = switched(CAUSES if arguments.before else CAUSES[1:])
    made = {
        folder: expressions_of(folder) for folder in (arguments.results, arguments.before) if folder
    }
    older = arguments.before or arguments.results
    studio, read = make.Studio(arguments.results, people), {case: [] for case in cases}
    for number in tqdm(range(len(people.names)), disable=None):
        images = [
            image
            for causes in cases.values()
            for image in pictures(
                studio, number, made[arguments.results if "gallery" in causes else older], causes
            )
        ]
        own = [people.neutral.landmarks[number]] * len(images)
        probabilities = read_faces(images, own).probabilities.reshape(len(cases), -1, len(READ))
        for case, each in zip(cases, probabilities, strict=True):
            read[case].append(each)
    print(f"{len(people.names)} people: read as asked; probability (95 % interval over people)")
    print(pd.DataFrame({case: row(np.array(each)) for case, each in read.items()}).T.to_string())
    return 0


def switched(causes):
    """{name of a row: causes that are on}: none, each alone, all."""
    return {"none": ()} | {f"{cause} alone": (cause,) for cause in causes} | {"all": causes}


def expressions_of(results):
    """{expression: (Target as a build has it, strength by which its mean was multiplied)}."""
    folder = results / "blendshapes"
    stored = Expressions(folder / "expressions.zarr")
    return {
        name: (
            stored.target(name),
            store.open(folder / f"{name}.zarr").attributes.get("strength", 1.0),
        )
        for name in EXPRESSIONS
    }


def pictures(studio, number, made, causes):
    """A person's pictures, (H, W, 3) each, of the expressions with some causes on."""
    targets = {}
    for name, (target, strength) in made.items():
        factor = np.float32(1 if "strength" in causes else 1 / strength)
        targets[name] = replace(target, deformation=factor * target.deformation)
    options = {} if "appearance" in causes else SHAPE_ALONE
    return studio.make(number, "warp", targets, options=options).images.values()


def row(probabilities):
    """One row of the table, of (people, expressions, READ)."""
    hits = (probabilities.argmax(axis=2) == COLUMNS).mean(axis=0)
    cells = {}
    for index, (name, column) in enumerate(zip(EXPRESSIONS, COLUMNS, strict=True)):
        values = probabilities[:, index, column]
        low, high = bootstrap((values,), np.mean, rng=0).confidence_interval
        cells[name] = f"{hits[index]:.2f}; {values.mean():.2f} ({low:.2f} to {high:.2f})"
    return cells


if __name__ == "__main__":
    sys.exit(main())
