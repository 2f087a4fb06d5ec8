"""Peak memory of registering one long sequence, beside a short one: is it bounded?

    python benchmarks/memory.py --frames 50 1000

Each length is registered by a process of its own, as a job does it: `register_chunk` on files. The
frames of a sequence show a few scans to and fro (hard links), each with landmarks of its own. The
peak is the kernel's figure of the process's resident memory, libraries and compiled code included.

AFFECT4D_ICT names the clone of ICT-FaceKit. Exit status 1 where a peak exceeds 1.5 GB or a frame is
lost.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# A child's peak starts at its parent's: what needs memory is imported by the children only.
SCANS = 8
NAME = "take"
BOUND_GB = 1.5


def write(root, frames):
    """Write a sequence of `frames` frames and the stored template (in a process of its own)."""
    import ict_sequences
    import ict_truth
    import numpy as np

    from affect4d.pipeline.context import RunContext
    from affect4d.quarantine import Quarantine
    from affect4d.random_streams import named_rng
    from affect4d.registration.sequences import write_template

    truth = ict_truth.load()
    scans, texture = ict_truth.sequence(truth, 0, SCANS)
    there = list(range(SCANS))
    shown = [(there + there[-2:0:-1])[t % (2 * SCANS - 2)] for t in range(frames)]
    rng = named_rng(0, "memory", "landmarks")
    marks = [truth.template.landmarks_on(scan.truth) for scan in scans]
    noise = ict_truth.LANDMARK_NOISE_MM * rng.normal(size=(frames, 68, 3))
    landmarks = np.array([marks[index] for index in shown]) + noise
    rows = ict_sequences.write_sequence(root, NAME, scans, texture, shown, landmarks)
    ict_sequences.write_table(root, rows)
    context = RunContext(root, "registration_template", Quarantine("registration"))
    write_template(context, truth.template)


def work(root):
    """Register it; prints frames, seconds and peak as JSON (in a process of its own)."""
    import cv2
    import ict_sequences

    from affect4d.config.registration import Settings
    from affect4d.registration.sequences import load_registrar

    cv2.setNumThreads(1)
    registrar = load_registrar(root / "registration/template.zarr", Settings())
    start = time.perf_counter()
    ict_sequences.register(registrar, root)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = len(ict_sequences.read(root, NAME)[3])  # after the peak was taken
    print(json.dumps({"kept": kept, "seconds": spent, "peak_kib": peak}))


def run(step, root, *arguments):
    """Run `write` or `work` as a process; returns what it printed."""
    command = [sys.executable, __file__, "--step", step, "--root", str(root), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[50, 1000], help="lengths")
    parser.add_argument("--scratch", type=Path, help="folder in which to write, then removed")
    parser.add_argument("--step", choices=["write", "work"], help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step == "write":
        return write(arguments.root, arguments.frames[0])
    if arguments.step == "work":
        return work(arguments.root)
    found, lost = {}, 0
    print(f"{'frames':>8} {'kept':>8} {'peak GB':>8} {'s':>8} {'ms per frame':>11}")
    for frames in sorted(arguments.frames):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            run("write", scratch, "--frames", str(frames))
            got = json.loads(run("work", scratch))
        peak, spent = got["peak_kib"] * 1024 / 1e9, got["seconds"]
        found[frames], each = peak, 1e3 * spent / frames
        print(f"{frames:>8} {got['kept']:>8} {peak:>8.2f} {spent:>8.1f} {each:>11.0f}", flush=True)
        lost = max(lost, frames - got["kept"])
    from thresholds import Threshold, check

    longest, shortest = max(found), min(found)
    thresholds = [
        Threshold(f"peak of {longest} frames, GB", found[longest], BOUND_GB),
        Threshold("frames lost", lost, 0),
    ]
    growth = found[longest] / found[shortest]
    print(f"peak of {longest} over that of {shortest} frames: {growth:.2f} (buffers of a shard)")
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
