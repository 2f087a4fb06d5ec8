"""A class gathered from many sequences: CPU time, and memory beyond the result.

    python benchmarks/gather.py
    python benchmarks/gather.py --largest 1000     # the full size, nothing scaled; 4 GB of memory

A few sequences of 53,215 vertices that move and carry .1 mm of white noise are written; more are
made as hard links, which are separate stores to a reader. From each, frames are gathered as for a
class, minus the mean of the sequence's neutral frames. Every row of the table is a separate
process: CPU seconds of all its threads, the minimum of several runs after one that compiles, and
the kernel's figure of its largest resident memory less the result, libraries included.

The rows differ in sequences, in frames, and in the chunks these lie in, so that a cost of each can
be told apart: non-negative least squares of relative errors. The law gives the cost of 6,000 frames
over 1,000 sequences, each frame in a chunk of its own: the worst case. Memory must not grow with
the number of frames, so it is held to the threshold as measured.

Files come from the page cache: waiting for a disk takes no CPU.

Exit status 1 where a threshold is missed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from limits import peak_memory
from scipy.optimize import nnls
from store import VERTICES, motion, white
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d import store
from affect4d.store.codec import FRAMES
from affect4d.template.template import load_template

WRITTEN, LENGTH = 8, 384  # sequences, frames per sequence: six shards
SEQUENCES, GATHERED = 1000, 6000
CPU_S, BEYOND_GB, GROWTH_GB = 75, 2.0, 0.1
TERMS = ["sequences", "chunks", "frames"]


def write(folder, count, seed):
    """Write sequences, then link them until there are `count`."""
    neutral = load_template().vertices[:VERTICES]
    for number in tqdm(range(count), "sequences", leave=False):
        sequence = folder / str(number)
        if number >= WRITTEN:
            shutil.copytree(folder / str(number % WRITTEN), sequence, copy_function=os.link)
            continue
        rng = np.random.default_rng([seed, number])
        values = motion(rng, neutral, LENGTH)
        values += white(rng, neutral, LENGTH)
        store.write(sequence / "sequence.zarr", {"vertices": store.Vertices(values, neutral)})


def select(folder, sequences, frames, *, scattered, seed):
    """From each sequence `frames`: each in another chunk, or a run that starts a chunk.

    No frame lies in the first chunk, where the neutral one is.
    """
    rng = np.random.default_rng(seed)
    selection = {}
    for number in range(sequences):
        if scattered:
            chunks = 1 + rng.choice(LENGTH // FRAMES - 1, frames, replace=False)
            chosen = FRAMES * chunks + rng.integers(FRAMES, size=frames)
        else:
            chosen = FRAMES * rng.integers(1, (LENGTH - frames) // FRAMES) + np.arange(frames)
        selection[folder / str(number) / "sequence.zarr"] = chosen
    return selection


def work(folder, plan, workers, *, repeats, seed):
    """Gather; prints CPU seconds, peak and result as JSON (in a process of its own)."""
    selection = select(folder, **plan, seed=seed)
    one = next(iter(selection))
    neutral = {path: [0, 1] for path in selection}
    store.gather({one: selection[one]}, origins=neutral)
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        result = store.gather(selection, origins=neutral, workers=workers)
        spent.append(time.process_time() - start)
        size = result.nbytes
        del result
    peak = peak_memory()
    print(json.dumps({"cpu": min(spent), "beyond": (peak - size) / 1e9, "result": size / 1e9}))


def run(folder, plan, workers, options):
    """One row of the table: a plan and what it took."""
    command = [sys.executable, __file__, "--work", json.dumps([str(folder), plan, workers])]
    command += ["--repeats", str(options.repeats), "--seed", str(options.seed)]
    measured = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    sequences, frames = plan["sequences"], plan["frames"]
    chunks = 1 + (frames if plan["scattered"] else -(-frames // FRAMES))
    return {
        "sequences": sequences,
        "chunks": sequences * chunks,
        "frames": sequences * frames,
        "workers": workers,
        **measured,
    }


def rows(folder, options):
    """The table: three sizes of the case in question, then other mixtures and more workers."""
    largest = options.largest
    plans = [(size, 6, True, 1) for size in (largest // 4, largest // 2, largest)]
    plans += [(largest // 2, 1, True, 1), (largest // 2, 8, False, 1), (largest // 4, 24, True, 1)]
    plans += [(largest // 2, 6, True, workers) for workers in (2, 4)]
    rows = []
    for sequences, frames, scattered, workers in tqdm(plans, "runs", leave=False):
        plan = {"sequences": sequences, "frames": frames, "scattered": scattered}
        rows.append(run(folder, plan, workers, options))
    return pd.DataFrame(rows)


def law(table):
    """CPU seconds of a sequence, a chunk and a frame."""
    scaled = table[TERMS].to_numpy(np.float64) / table["cpu"].to_numpy()[:, None]
    return nnls(scaled, np.ones(len(table)))[0]


def other_reads(folder, seed):
    """Print what random frames, and a full sequence, take."""
    array = store.open(folder / "0/sequence.zarr")["vertices"]
    rng, megabytes = np.random.default_rng(seed), 12e-6 * VERTICES
    array[0]
    frames = rng.choice(len(array), 30, replace=False)
    spent = [cpu(lambda frame=frame: array[int(frame)]) for frame in frames]
    print(f"\na random frame takes {1e3 * np.median(spent):.1f} ms of CPU, ", end="")
    print(f"one of {len(frames)} read together {1e3 * cpu(lambda: array[frames]) / 30:.1f} ms; ")
    seconds = min(cpu(lambda: array[...]) for _ in range(3))
    copied = array[...]
    copy = min(cpu(lambda: np.copyto(np.empty_like(copied), copied)) for _ in range(3))
    print(f"a full sequence {LENGTH * megabytes / seconds:.0f} MB of float32 per CPU second")
    print(f"(a copy of it into fresh memory in this run: {LENGTH * megabytes / copy:.0f})")


def cpu(call):
    """CPU seconds of all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


def report(table):
    """Print the table and the law; returns the thresholds."""
    one = table["workers"] == 1
    costs = law(table[one])
    predicted = table[TERMS].to_numpy() @ costs
    table["law"] = predicted.round(2)
    print(table.round(2).to_string(index=False))
    each = [f"{1e3 * cost:.1f}/{term[:-1]}" for cost, term in zip(costs, TERMS, strict=True)]
    print("\nCPU ms: " + ", ".join(each))
    off = np.abs(predicted / table["cpu"] - 1)[one].max()
    print(f"the law is off by {off:.0%} at most where one worker reads")
    same = table.iloc[:3]
    print(f"{SEQUENCES} sequences by proportion to the largest run: ", end="")
    print(f"{same['cpu'].iloc[-1] * SEQUENCES / same['sequences'].iloc[-1]:.0f} CPU seconds")
    scaled = costs @ [SEQUENCES, SEQUENCES + GATHERED, GATHERED]
    growth = same["beyond"].iloc[-1] - same["beyond"].iloc[0]
    return [
        Threshold("6,000 frames over 1,000 sequences, CPU s by the law", scaled, CPU_S),
        Threshold("beyond the result, GB, maximum of all runs", table["beyond"].max(), BEYOND_GB),
        Threshold("its growth from the smallest to the largest size, GB", growth, GROWTH_GB),
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=96, help="largest number of sequences")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="folder in which to write, then removed")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        folder, plan, workers = json.loads(options.work)
        return work(Path(folder), plan, workers, repeats=options.repeats, seed=options.seed)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        write(Path(scratch), options.largest, options.seed)
        table = rows(Path(scratch), options)
        other_reads(Path(scratch), options.seed)
    return check(report(table))


if __name__ == "__main__":
    sys.exit(main())
