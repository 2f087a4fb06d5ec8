"""Stored vertex sequences: size, error and speed.

    python benchmarks/store.py --frames 128

53,215 vertices of the stored template, in its own order, move by a few millimetres at 60 frames
per second and carry noise: white, .1 mm per coordinate, or smooth, .05 mm per coordinate,
correlated over centimetres and tenths of a second. Sizes are those of the files against float32 and
against the defaults of `zarr.create_array(data=...)`. Speeds are MB of float32 per CPU second of
all threads, the best of several repeats: through the store (Zarr, Blosc, CRC-32C and files
included), of the codec alone, and of `memcpy` of the same array in the same run. Other jobs of the
machine slow all of them.

Exit status 1 where a threshold is missed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from thresholds import Threshold, check

from affect4d import store
from affect4d.store import codec, commit, groups, protocol
from affect4d.template.template import load_template

VERTICES, RATE = 53_215, 60  # frames per second
MEMCPY = "memcpy, into memory in use"
# What `store.write` consists of, in its order.
STAGES = {
    "encode, compress, write": (groups, "_write_group"),
    "read back, compare": (groups, "_read_back"),
    "flush": (protocol, "fsync_tree"),
    "sha256": (commit, "_describe_folder"),
}


def motion(rng, neutral, frames, muscles=6):
    """A neutral face of which regions oscillate by up to 5 mm, about once a second."""
    times, values = np.arange(frames) / RATE, np.repeat(neutral[None], frames, axis=0)
    for _ in range(muscles):
        centre = neutral[rng.integers(len(neutral))]
        weight = np.exp(-np.sum((neutral - centre) ** 2, axis=1) / (2 * 20**2))
        direction = rng.normal(size=3)
        pull = weight[:, None] * (5 * direction / np.linalg.norm(direction))
        phase = 2 * np.pi * rng.uniform(0.5, 1.2) * times + rng.uniform(0, 2 * np.pi)
        values += ((0.5 - 0.5 * np.cos(phase))[:, None, None] * pull).astype(np.float32)
    return values


def white(rng, neutral, frames, scale=0.1):
    """Independent noise of `scale` mm."""
    return rng.normal(0, scale, (frames, *neutral.shape)).astype(np.float32)


def smooth(rng, neutral, frames, scale=0.05, length=15, period=0.1, waves=40):
    """Noise of `scale` mm: waves of random direction, 1 / `length` mm and 1 / `period` s."""
    times, noise = np.arange(frames) / RATE, np.zeros((frames, *neutral.shape), np.float32)
    for axis in range(3):
        for _ in range(waves):
            position = neutral @ (rng.normal(size=3) / length) + rng.uniform(0, 2 * np.pi)
            moment = rng.normal() / period * times
            noise[..., axis] += np.outer(np.cos(moment), np.cos(position))
            noise[..., axis] -= np.outer(np.sin(moment), np.sin(position))
    return noise * np.float32(scale * np.sqrt(2 / waves))


def seconds(run, repeats):
    """The minimum CPU seconds, of all threads, of several runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return min(spent)


def stages(run, repeats):
    """The minimum CPU seconds of each stage of `store.write`, and of all together."""
    spent = {}

    def timed(name, function):
        def call(*arguments):
            start = time.process_time()
            result = function(*arguments)
            spent.setdefault(name, []).append(time.process_time() - start)
            return result

        return call

    kept = {name: getattr(*place) for name, place in STAGES.items()}
    for name, place in STAGES.items():
        setattr(*place, timed(name, kept[name]))
    try:
        total = seconds(run, repeats)
    finally:
        for name, place in STAGES.items():
            setattr(*place, kept[name])
    return {**{name: min(each) for name, each in spent.items()}, "all stages": total}


def size_of(folder):
    """The bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sizes(folder, vertices):
    """Ratios to float32 and to Zarr's default, and the largest distance of a vertex in mm."""
    values = vertices.values
    store.write(folder / "x.zarr", {"x": vertices})
    zarr.create_array(folder / "default.zarr", data=values)
    stored, default = size_of(folder / "x.zarr/x"), size_of(folder / "default.zarr")
    error = store.open(folder / "x.zarr")["x"][...].astype(np.float64) - values
    return values.nbytes / stored, default / stored, np.linalg.norm(error, axis=-1).max()


def in_random_order(folder, rng, vertices):
    """The ratio to float32 with vertices in random order."""
    order = rng.permutation(len(vertices.neutral))
    values = np.ascontiguousarray(vertices.values[:, order])
    store.write(folder / "random.zarr", {"x": store.Vertices(values, vertices.neutral[order])})
    return values.nbytes / size_of(folder / "random.zarr/x")


def speeds(folder, vertices, repeats):
    """CPU seconds by name; the store `x.zarr` is there."""
    values, neutral = vertices.values, vertices.neutral
    other, stored = np.empty_like(values), codec.encode(values, neutral, np.uint16)
    codec.is_within_bound(stored, neutral, values)  # compiled before anything is timed
    spent = stages(lambda: store.write(folder / "x.zarr", {"x": vertices}), repeats)
    array = store.open(folder / "x.zarr")["x"]
    rows = np.arange(len(values))
    return {
        MEMCPY: seconds(lambda: np.copyto(other, values), repeats),
        **{f"write: {name}": each for name, each in spent.items()},
        "read a full sequence": seconds(lambda: array[...], repeats),
        "codec alone: encode": seconds(lambda: codec.encode(values, neutral, np.uint16), repeats),
        "codec alone: decode": seconds(
            lambda: codec.decode(stored, neutral, rows=rows, out=other), repeats
        ),
    }


def measure(folder, kind, rng, neutral, options):
    """Print the figures of one kind of noise; returns its thresholds."""
    noise, min_ratio = {"white": (white, 5), "smooth": (smooth, 8)}[kind]
    values = motion(rng, neutral, options.frames)
    values += noise(rng, neutral, options.frames)
    vertices = store.Vertices(values, neutral)
    smaller, than_default, distance = sizes(folder, vertices)
    shuffled = in_random_order(folder, rng, vertices)
    measured = speeds(folder, vertices, options.repeats)
    array = store.open(folder / "x.zarr")["x"]
    array.neutral  # noqa: B018 - read once, and no part of a frame
    frame = seconds(lambda: array[int(rng.integers(len(array)))], 5 * options.repeats)
    print(f"\n{kind} noise: {12 / smaller:.2f} bytes per vertex, {smaller:.2f} times smaller than")
    print(f"float32 ({shuffled:.2f} if the vertices came in random order); a random frame takes")
    print(f"{1e3 * frame:.1f} ms of CPU. MB of float32 per CPU second, and the share of memcpy:")
    megabytes = values.nbytes / 1e6
    for name, spent in measured.items():
        share = measured[MEMCPY] / spent
        print(f"  {name:<32} {megabytes / max(spent, 1e-9):>9.0f} {share:>8.1%}")
    rate = {name: megabytes / max(spent, 1e-9) for name, spent in measured.items()}
    return [
        Threshold(f"{kind}: smaller than float32, times", smaller, min_ratio, at_least=True),
        Threshold(f"{kind}: smaller than Zarr's default, times", than_default, 4, at_least=True),
        Threshold(f"{kind}: largest vertex distance, mm", distance, 0.01),
        Threshold(
            f"{kind}: encode and write, MB/s", rate["write: encode, compress, write"], 300, True
        ),
        Threshold(f"{kind}: read and decode, MB/s", rate["read a full sequence"], 600, True),
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=128, help="frames of a sequence")
    parser.add_argument("--repeats", type=int, default=7, help="runs of which the best counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="folder in which to write, then removed")
    options = parser.parse_args()
    neutral = load_template().vertices[:VERTICES]
    thresholds = []
    for kind in ("white", "smooth"):
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            rng = np.random.default_rng(options.seed)
            thresholds += measure(Path(scratch), kind, rng, neutral, options)
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
