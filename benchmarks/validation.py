"""Table 1 compared with truths that were planted, and its memory by the number of frames.

    python benchmarks/validation.py truth
    python benchmarks/validation.py memory

*truth* plants galleries (benchmarks/planted_gallery.py) whose best predictor is known, and runs the
jobs of a build on them. At the right number of components the CCC on unseen people must lie within
.03 of the best predictor's on the same frames; shuffled labels must give a CCC within .05 of zero;
the subject-dependent split must come out higher than the honest one, and be marked as a leak. Each
figure is a mean over galleries, those of single ones are printed too.

*memory* runs the same jobs on 10,000, 100,000 and 600,000 frames of few vertices, each in a process
of its own, and prints CPU seconds and the greatest memory. Exit code 1 where a threshold is missed.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import planted_gallery
from limits import peak_memory
from thresholds import Threshold, check

from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import Quarantine
from affect4d.validation.build import build_validation
from affect4d.validation.features import project_chunk
from affect4d.validation.metrics import ccc
from affect4d.validation.prepare import prepare_bases
from affect4d.validation.study import DEPENDENT, LEAK, MAIN, RIDGE, SHUFFLED

AXES = planted_gallery.AXES
PEOPLE, LENGTH, GALLERIES, SEED = 100, 100, 3, 11
SIZES = [planted_gallery.AFFECT, planted_gallery.FIELDS]
RIGHT = planted_gallery.FIELDS
FRAMES = [10_000, 100_000, 600_000]
SEQUENCE = 1000
NEAR, CHANCE, GROWTH_MB = 0.03, 0.05, 600


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["truth", "memory"])
    parser.add_argument("--frames", type=int, help="of memory: this number only, in this process")
    arguments = parser.parse_args()
    logging.getLogger("affect4d").setLevel(logging.WARNING)
    if arguments.what == "truth":
        return truth()
    if arguments.frames is None:
        return memory()
    return one_size(arguments.frames)


def run(root, settings):
    """The three jobs; (job, CPU seconds) of each."""

    quarantine, blendshapes = Quarantine("validation", strict=True), BlendshapeSettings()
    context = RunContext(root, "validation", quarantine, seed=SEED)
    template = planted_gallery.template()
    jobs = {
        "bases": lambda: prepare_bases(context, template, settings, blendshapes=blendshapes),
        "features": lambda: project_chunk(context, "c0", blendshapes),
        "table": lambda: build_validation(
            context, ["c0"], settings, noise=planted_gallery.LABEL_SD
        ),
    }
    for name, job in jobs.items():
        before = time.process_time()
        job()
        yield name, time.process_time() - before


def truth():
    """Planted galleries; the thresholds' verdict."""
    settings = Settings(components=SIZES, basis="pca", vertices=0, bootstrap=200)
    tables = []
    for number in range(GALLERIES):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            planted = planted_gallery.plant(root, PEOPLE, LENGTH, SEED + number)
            list(run(root, settings))
            rows = measured(root, planted).assign(gallery=number)
            print(rows.to_string(index=False, float_format="{:.3f}".format), "\n", flush=True)
            tables.append(rows)
    table = pd.concat(tables)
    means = table.groupby(["axis", "components"]).mean(numeric_only=True)
    right = means.xs(RIGHT, level="components")
    marked = table["leak_marked"].all()
    return check(
        [
            Threshold(f"{axis}: distance from the best, {RIGHT} components", abs(row.lost), NEAR)
            for axis, row in right.iterrows()
        ]
        + [
            Threshold("largest |CCC| of shuffled labels", means[SHUFFLED].abs().max(), CHANCE),
            Threshold(
                "subject-dependent less honest", (right.dependent - right.honest).mean(), 0, True
            ),
            Threshold("the leak is marked as such in table1.csv", float(marked), 1, True),
        ]
    )


def measured(root, planted):
    """A row per axis and size: the ceilings, and CCC of what was measured."""
    table = pd.read_csv(root / "validation/table1.csv")
    table = table[(table["basis"] == "pca") & (table["basis_subjects"] == "all")]
    test = pd.read_parquet(root / "validation/predictions.parquet")["frame_id"]
    frames = planted.frames.set_index("frame_id").loc[test]
    rows = []
    for size, models in table.groupby("components"):
        models = models.set_index("model")
        for axis, ceiling in zip(AXES, planted.ceiling(), strict=True):
            best = ccc(frames[axis], frames[f"best_{axis}"])
            honest = models.loc[MAIN, f"ccc_{axis}"]
            rows.append(
                {
                    "axis": axis,
                    "components": int(size),
                    "ceiling": ceiling,
                    "best here": best,
                    "honest": honest,
                    "lost": honest - best,
                    RIDGE: models.loc[RIDGE, f"ccc_{axis}"],
                    SHUFFLED: models.loc[SHUFFLED, f"ccc_{axis}"],
                    "dependent": models.loc[DEPENDENT, f"ccc_{axis}"],
                    "leak_marked": models.loc[DEPENDENT, "status"] == LEAK,
                }
            )
    return pd.DataFrame(rows)


def memory():
    """Each number of frames in its own process; the threshold's verdict."""
    peaks = []
    for frames in FRAMES:
        command = [sys.executable, __file__, "memory", "--frames", str(frames)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        peaks.append(float(done.stdout.split()[-2]))
    grown = peaks[-1] - peaks[0]
    held = 0.75 * (FRAMES[-1] - FRAMES[0]) / 1e6
    print(f"growth {grown:.0f} MB, {grown / held:.0f} bytes per training frame")
    return check([Threshold("growth from 10,000 to 600,000 frames, MB", grown, GROWTH_MB)])


def one_size(frames):
    """Run the jobs on so many frames; the last words printed are the peak in MB."""
    settings = Settings(components=[RIGHT], basis="pca", vertices=0, bootstrap=200)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plant = f"import planted_gallery as g, pathlib as p; g.plant(p.Path({str(root)!r}), "
        plant += f"{frames // SEQUENCE}, {SEQUENCE}, {SEED})"
        subprocess.run([sys.executable, "-c", plant], check=True, cwd=Path(__file__).parent)
        parts = []
        for name, seconds in run(root, settings):
            peak = peak_memory() / 2**20
            parts.append(f"{name} {seconds:.1f} s, {peak:.0f} MB")
        row = pd.read_csv(root / "validation/table1.csv").iloc[0]
    print(f"{frames:,} frames (CCC {np.round(row['ccc_valence'], 2)}): " + "; ".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
