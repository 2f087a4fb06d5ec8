"""A class gathered from many sequences: how much CPU, how much memory beyond the result?

    python benchmarks/gather.py
    python benchmarks/gather.py --largest 1000     # the whole size, nothing scaled; 4 GB of memory

A few sequences of 53,215 vertices that move and carry .1 mm of white noise are written; more come
by hard links, each a store of its own for its reader. From each, frames are gathered as a class
does it, minus the mean of the sequence's neutral frames. Every row of the table is a process of its
own: CPU seconds of all its threads, the least of several runs after one that compiles, and the
kernel's figure of its largest resident memory less the result, libraries included.

The rows differ in sequences, in frames, and in the chunks these lie in, so that a cost of each can
be told apart: non-negative least squares of relative errors. The law gives the cost of 6,000 frames
over 1,000 sequences, each frame in a chunk of its own: the worst case. Memory must not grow with
the number of frames, so it is held to the bar as measured.

Files come from the page cache: waiting for a disk takes no CPU.

Exit status 1 where a bar is missed.
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
from bars import Bar, judge
from scipy.optimize import nnls
from store import VERTICES, motion, white
from tqdm import tqdm

from affect4d import store
from affect4d.store.codec import FRAMES
from affect4d.template.template import load_template

WRITTEN, LENGTH = 8, 384  # sequences, frames each: six shards
SEQUENCES, GATHERED = 1000, 6000
CPU_S, BEYOND_GB, GROWTH_GB = 75, 2.0, 0.1
TERMS = ["sequences", "chunks", "frames"]


def write(folder, count, seed):
    """Write sequences, then link them until there are `count`."""
    neutral = load_template().vertices[:VERTICES]
    for number in tqdm(range(count), "sequences", leave=False):
        own = folder / str(number)
        if number >= WRITTEN:
            shutil.copytree(folder / str(number % WRITTEN), own, copy_function=os.link)
            continue
        rng = np.random.default_rng([seed, number])
        values = motion(rng, neutral, LENGTH)
        values += white(rng, neutral, LENGTH)
        store.write(own / "sequence.zarr", {"vertices": store.Vertices(values, neutral)})


def select(folder, sequences, frames, apart, seed):
    """From each sequence `frames`: in chunks of their own, or a run that starts a chunk.

    No frame lies in the first chunk, where the neutral one is.
    """
    rng = np.random.default_rng(seed)
    selection = {}
    for number in range(sequences):
        if apart:
            chunks = 1 + rng.choice(LENGTH // FRAMES - 1, frames, replace=False)
            own = FRAMES * chunks + rng.integers(FRAMES, size=frames)
        else:
            own = FRAMES * rng.integers(1, (LENGTH - frames) // FRAMES) + np.arange(frames)
        selection[folder / str(number) / "sequence.zarr"] = own
    return selection


def work(folder, plan, workers, repeats, seed):
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
    # Not getrusage's figure, which starts at that of the parent.
    status = Path("/proc/self/status").read_text().split()
    peak = 1024 * int(status[status.index("VmHWM:") + 1])
    print(json.dumps({"cpu": min(spent), "beyond": (peak - size) / 1e9, "result": size / 1e9}))


def run(folder, plan, workers, options):
    """One row of the table: a plan and what it took."""
    command = [sys.executable, __file__, "--work", json.dumps([str(folder), plan, workers])]
    command += ["--repeats", str(options.repeats), "--seed", str(options.seed)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    sequences, frames = plan["sequences"], plan["frames"]
    chunks = 1 + (frames if plan["apart"] else -(-frames // FRAMES))
    return {
        "sequences": sequences,
        "chunks": sequences * chunks,
        "frames": sequences * frames,
        "workers": workers,
        **found,
    }


def rows(folder, options):
    """The table: three sizes of the case in question, then other mixtures and more workers."""
    most = options.largest
    plans = [(size, 6, True, 1) for size in (most // 4, most // 2, most)]
    plans += [(most // 2, 1, True, 1), (most // 2, 8, False, 1), (most // 4, 24, True, 1)]
    plans += [(most // 2, 6, True, workers) for workers in (2, 4)]
    found = []
    for sequences, frames, apart, workers in tqdm(plans, "runs", leave=False):
        plan = {"sequences": sequences, "frames": frames, "apart": apart}
        found.append(run(folder, plan, workers, options))
    return pd.DataFrame(found)


def law(table):
    """CPU seconds of a sequence, a chunk and a frame."""
    scaled = table[TERMS].to_numpy(np.float64) / table["cpu"].to_numpy()[:, None]
    return nnls(scaled, np.ones(len(table)))[0]


def other_reads(folder, seed):
    """Print what random frames, and a whole sequence, take."""
    array = store.open(folder / "0/sequence.zarr")["vertices"]
    rng, megabytes = np.random.default_rng(seed), 12e-6 * VERTICES
    array[0]
    frames = rng.choice(len(array), 30, replace=False)
    spent = [cpu(lambda frame=frame: array[int(frame)]) for frame in frames]
    print(f"\na random frame takes {1e3 * np.median(spent):.1f} ms of CPU, ", end="")
    print(f"one of {len(frames)} read together {1e3 * cpu(lambda: array[frames]) / 30:.1f} ms; ")
    whole = min(cpu(lambda: array[...]) for _ in range(3))
    copied = array[...]
    copy = min(cpu(lambda: np.copyto(np.empty_like(copied), copied)) for _ in range(3))
    print(f"a whole sequence {LENGTH * megabytes / whole:.0f} MB of float32 a CPU second ", end="")
    print(f"(a copy of it into fresh memory, here and now: {LENGTH * megabytes / copy:.0f})")


def cpu(call):
    """CPU seconds of all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


def report(table):
    """Print the table and the law; returns the bars."""
    one = table["workers"] == 1
    costs = law(table[one])
    predicted = table[TERMS].to_numpy() @ costs
    table["law"] = predicted.round(2)
    print(table.round(2).to_string(index=False))
    each = [f"{1e3 * cost:.1f} a {term[:-1]}" for cost, term in zip(costs, TERMS, strict=True)]
    print("\nCPU ms: " + ", ".join(each))
    off = np.abs(predicted / table["cpu"] - 1)[one].max()
    print(f"the law is off by {off:.0%} at most where one worker reads")
    same = table.iloc[:3]
    print(f"{SEQUENCES} sequences by proportion to the largest run: ", end="")
    print(f"{same['cpu'].iloc[-1] * SEQUENCES / same['sequences'].iloc[-1]:.0f} CPU seconds")
    scaled = costs @ [SEQUENCES, SEQUENCES + GATHERED, GATHERED]
    growth = same["beyond"].iloc[-1] - same["beyond"].iloc[0]
    return [
        Bar("6,000 frames over 1,000 sequences, CPU s by the law", scaled, CPU_S),
        Bar("beyond the result, GB, the most of all runs", table["beyond"].max(), BEYOND_GB),
        Bar("its growth from the smallest to the largest size, GB", growth, GROWTH_GB),
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=96, help="sequences gathered from at most")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="folder in which to write, then removed")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        folder, plan, workers = json.loads(options.work)
        return work(Path(folder), plan, workers, options.repeats, options.seed)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        write(Path(scratch), options.largest, options.seed)
        table = rows(Path(scratch), options)
        other_reads(Path(scratch), options.seed)
    return judge(report(table))


if __name__ == "__main__":
    sys.exit(main())
