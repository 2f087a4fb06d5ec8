"""Publishing: time per image, whatever their number; chunks of small made-up images.

    python benchmarks/publishing.py    # 2,000, 32,000 and 100,000 images, each in two chunks
    python benchmarks/publishing.py --counts 2000 8000

What is timed is the rule's entry: labels, splits, shards with encoded images, card and checksums.
The images are small, so that what does not depend on their size is seen. Exit status 1 where an
image takes 1 ms or more, or the counts differ by more than 1.3 times.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from limits import peak_memory
from support.contexts import context
from thresholds import Threshold, check

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset import publish_dataset

CHUNKS, CLASSES, SIDE = 2, 100, 16
MAX_MS, MAX_RATIO = 1.0, 1.3


def write_chunk(path, people, seed):
    """A chunk of `CLASSES` images of `SIDE` x `SIDE` pixels for each person."""
    rng = np.random.default_rng(seed)
    count = people * CLASSES
    neutral = rng.integers(0, 256, (people, SIDE, SIDE, 3), dtype=np.uint8)
    photograph = np.repeat(np.arange(people), CLASSES)
    values = neutral[photograph]
    values[:, SIDE // 2] = rng.integers(0, 256, (count, SIDE, 3), dtype=np.uint8)
    names = [f"v{index:02d}" for index in range(CLASSES)]
    people_names = [f"p{seed}-{number:04d}" for number in range(people)]
    store.write(
        path,
        {
            "images": store.Images(values, base="neutral", which="photograph"),
            "neutral": store.Images(neutral),
            "photograph": photograph,
            "class": np.tile(np.arange(CLASSES), people),
            "sample": np.full(count, -1),
            "interpolated": np.zeros(count, bool),
            "valence": rng.uniform(-1, 1, count),
            "arousal": rng.uniform(-1, 1, count),
            "quality": rng.random((count, 2)).astype(np.float32),
        },
        {
            "database": "made",
            "image_ids": [f"made-{person}-{name}" for person in people_names for name in names],
            "classes": names,
            "photographs": [{"image_id": name, "subject": name} for name in people_names],
            "subjects": [name for name in people_names for _ in names],
            "quality": ["flipped", "folded"],
            "settings": {**SynthesisSettings().model_dump(), "size": SIDE},
        },
    )


def publish(count, repeats=1):
    """Milliseconds per image of publishing `count` images in `CHUNKS` chunks: the least time."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        chunks = [root / f"synthesis/made/{number:03d}.zarr" for number in range(CHUNKS)]
        for number, chunk in enumerate(chunks):
            write_chunk(chunk, count // CHUNKS // CLASSES, number)
        run = context(root, "dataset", inputs=tuple(map(store.manifest_of, chunks)))
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            publish_dataset(run, chunks, kinds={"made": "rendered"}, settings=Settings())
            seconds.append(time.process_time() - start)
        return 1000 * min(seconds) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 32_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    logging.disable()
    measured = {}
    for count in options.counts:
        measured[count] = publish(count, options.repeats)
        peak = peak_memory() / 2**20
        print(f"{count} images: {measured[count]:.3f} ms per image (CPU); peak {peak:.0f} MB")
    slowest, fastest = max(measured.values()), min(measured.values())
    sys.exit(
        check(
            [
                Threshold("ms per image", slowest, MAX_MS),
                Threshold("slowest over fastest", slowest / fastest, MAX_RATIO),
            ]
        )
    )


if __name__ == "__main__":
    main()
