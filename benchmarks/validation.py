"""Table 1 of a built gallery, again, or with shuffled labels.

    python benchmarks/validation.py --results results --shuffle

With `--shuffle` the labels of all used frames change places, a few times over; it exits with 1
where the mean CCC of any size on the test subjects then reaches .05 for either axis. (One shuffle
alone scatters by about one over the square root of the number of test frames.)
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import yaml

from affect4d.config.project import load
from affect4d.formats.quarantine import Quarantine
from affect4d.formats.template import load_template
from affect4d.validation.build import open_reader
from affect4d.validation.regression import Frames
from affect4d.validation.split import stream
from affect4d.validation.table import MEASURES, prepare, tabulate

BOUND = 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    project = load(yaml.safe_load(arguments.config.read_text()) or {}, str(arguments.config))
    reader = open_reader(
        arguments.results,
        load_template(project.template.mesh, project.template.landmarks),
        project.validation,
        project.blendshapes,
        Quarantine("validation"),
    )
    split, frames, attained = prepare(reader, project.validation, project.seed)
    if not arguments.shuffle:
        table = tabulate(split, frames, attained, project.validation, project.seed)
        print(table[["components", "status", *MEASURES]].to_string(index=False))
        return 0
    found = []
    for repeat in range(arguments.repeats):
        order = stream(project.seed, "shuffle", repeat).permutation(
            len(next(iter(frames.values())))
        )
        shuffled = {
            size: Frames(own.features, own.labels[order], own.subjects)
            for size, own in frames.items()
        }
        table = tabulate(split, shuffled, attained, project.validation, project.seed)
        print(table[["components", "status", *MEASURES[:2]]].to_string(index=False))
        found.append(table[MEASURES[:2]].to_numpy())
    mean = np.abs(np.nanmean(found, axis=0)).max()
    print(f"largest |CCC| of one shuffle: {np.nanmax(np.abs(found)):.4f}")
    print(f"largest |mean CCC| over {arguments.repeats} shuffles: {mean:.4f}, bound {BOUND}")
    return int(mean >= BOUND)


if __name__ == "__main__":
    sys.exit(main())
