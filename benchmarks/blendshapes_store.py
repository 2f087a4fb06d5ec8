"""The part of `blendshapes.py` on stored sequences, read out of core, and its law over sizes.

python benchmarks/blendshapes_store.py --help    # one measured point
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from blendshapes_data import local_fields, moved
from limits import peak_memory
from scipy.optimize import nnls
from stages import Stages
from thresholds import Threshold
from tqdm import tqdm

from affect4d import store
from affect4d.blendshapes import StoredFrames
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from affect4d.template.template import load_template

LENGTH = 102  # frames of a sequence; the first two are at rest
LARGEST, COMPONENTS, PEAK_GB = (6000, 100), 100, 8
# Frames and components of the measured points.
SIZES = [(1500, 50), (3000, 25), (3000, 50), (3000, 100), LARGEST]
GALLERY, CLASSES = 600_000, 100
ITERATIVE = ["products", "components_step", "weights_step", "other"]


def in_process(arguments):
    """What a process of its own prints as JSON."""
    command = [sys.executable, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def write(folder, sequences):
    """Write sequences of the template in motion."""
    neutral = load_template().vertices
    fields = local_fields(neutral)
    for number in tqdm(range(sequences), "sequences", leave=False):
        motion = moved(fields, LENGTH, np.random.default_rng([2, number]))
        motion[:2] = 0
        values = neutral + motion.reshape(LENGTH, -1, 3)
        store.write(folder / f"{number:03d}.zarr", {"vertices": store.Vertices(values, neutral)})


def stored(folder, frames):
    """The first `frames` frames in motion, minus their sequence's neutral ones, on demand."""
    selection, neutral = {}, {}
    for path in sorted(folder.glob("*.zarr")):
        count = min(frames - sum(map(len, selection.values())), LENGTH - 2)
        if count > 0:
            selection[path], neutral[path] = 2 + np.arange(count), [0, 1]
    return StoredFrames(selection, neutral)


def work(folder, frames, components):
    """One fit, out of core; prints its figures as JSON."""
    template = load_template()
    mesh = {"vertices": template.vertices, "triangles": template.triangles}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SparseLocalizedPCA(3, max_iter=2).fit(stored(folder, 20), **mesh)  # compiles
        start = time.process_time()
        with Stages() as stages:
            model = SparseLocalizedPCA(components).fit(stored(folder, frames), **mesh)
    total = time.process_time() - start
    print(json.dumps({
        "frames": frames, "K": model.n_components_, "iterations": model.n_iter_,
        "lost_mm2_per_frame": model.lost_energy_ / frames, "objective": model.objective_[-1],
        "cpu_s": total, "peak_gb": peak_memory() / 1e9, **stages.seconds,
        "other": total - sum(stages.seconds.values()),
    }))  # fmt: skip


def law(table):
    """Core seconds per class as a function of frames m, components K and iterations.

    Reading and compressing are a term in m. The start and the search for centres are terms in K and
    m K, an iteration terms in K, K^2 (components) and m K^2 (weights). There are no constants.
    """
    m, K, n = (table[name].to_numpy(np.float64) for name in ("frames", "K", "iterations"))
    iterative = table[ITERATIVE].sum(axis=1).to_numpy()
    once = table["start"] + table["centres"]

    def fitted(terms, spent):
        spent = np.asarray(spent)
        return nnls(np.stack(terms, 1) / spent[:, None], np.ones(len(spent)))[0]

    read = fitted([m], table["read"] + table["compress"])
    begin = fitted([K, m * K], once)
    step = fitted([n * K, n * K**2, n * m * K**2], iterative)
    print(f"read and compress {read[0] * 1e3:.2f} ms per frame; start and centres "
          f"{begin[0]:.3g} K + {begin[1]:.3g} m K; an iteration "
          f"{step[0]:.3g} K + {step[1]:.3g} K^2 + "
          f"{step[2]:.3g} m K^2 s")  # fmt: skip

    def seconds(m, K, n):
        steps = n * (step[0] * K + step[1] * K**2 + step[2] * m * K**2)
        return read[0] * m + begin[0] * K + begin[1] * m * K + steps

    print(f"it is off by {np.abs(seconds(m, K, n) / table['cpu_s'] - 1).max():.0%} at most")
    for name, values in (
        ("frames", table[table["K"] == 50]),
        ("K", table[table["frames"] == 3000]),
    ):
        if len(values) > 1:
            slope = np.polyfit(np.log(values[name]), np.log(values["cpu_s"]), 1)[0]
            print(f"all in all it grows as {name}^{slope:.2f}")
    return seconds


def thresholds(folder):
    """Write the store, measure all sizes, print the law; the thresholds."""
    write(folder, -(-LARGEST[0] // (LENGTH - 2)))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"\n{LARGEST[0]} frames stored in {size / 1e9:.1f} GB")
    rows = []
    for frames, components in tqdm(SIZES, "sizes", leave=False):
        point = [str(folder), "--frames", str(frames), "--components", str(components)]
        rows.append(in_process([__file__, *point]))
    table = pd.DataFrame(rows)
    print(table.round(2).T.to_string(header=False), flush=True)
    seconds = law(table)
    each = seconds(GALLERY / CLASSES, COMPONENTS, table["iterations"].max())
    print(f"{CLASSES} classes of a {GALLERY}-frame gallery, {COMPONENTS} components each: "
          f"{CLASSES * each / 3600:.1f} core-hours")  # fmt: skip
    return [Threshold("store, 6,000 frames, peak GB", table["peak_gb"].iloc[-1], PEAK_GB)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of sequences that `blendshapes.py` wrote")
    parser.add_argument("--frames", type=int, default=LARGEST[0])
    parser.add_argument("--components", type=int, default=LARGEST[1])
    options = parser.parse_args()
    work(options.folder, options.frames, options.components)


if __name__ == "__main__":
    main()
