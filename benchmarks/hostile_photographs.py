"""Fuzzed photographs: what the reader does with them, how long it takes, how much memory.

    python benchmarks/hostile_photographs.py                  # 20,000 of each kind
    python benchmarks/hostile_photographs.py --count 500

exif: a JPEG whose EXIF is random; its pixels must be read, in one of the eight orientations. bytes:
files of every format that is read, with bytes flipped, cut out, cut off or put in; each is read or
refused in one line. json, csv: the same for side files. largest: the largest image that is
accepted, of each format and with alpha. Every kind runs in a process of its own, whose peak memory
is printed less that of the interpreter and its libraries. Exit status 1 where a threshold is
missed.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from limits import peak_memory
from PIL import Image, ImageFile
from thresholds import Threshold, check

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.hostile_images import (
    FORMATS,
    encoded,
    picture,
    profile,
    random_damage,
    random_exif,
    with_exif,
)

from affect4d.formats.content import read_json
from affect4d.formats.images import COSTLY, decode_image, read_image
from affect4d.formats.limits import DEFAULT
from affect4d.formats.tables import read_rows
from affect4d.quarantine import BadInput

LARGEST = {  # kind: Pillow's format and mode, options
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG progressive CMYK": ("JPEG", "CMYK", {"progressive": True, "quality": 50}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG with alpha": ("PNG", "RGBA", {"compress_level": 1}),
    "PPM": ("PPM", "RGB", {}),
    "BMP": ("BMP", "RGB", {}),
    "TIFF": ("TIFF", "RGB", {}),
    "WEBP": ("WEBP", "RGB", {}),
}
MAX_MB, MAX_SECONDS = 1024, 30
SIDE_FILE_BYTES = 1 << 20


def exif(count, rng):
    """(outcome, seconds) of JPEGs with random EXIF."""
    jpeg = encoded(picture(), "JPEG")
    plain = decode_image(jpeg, "plain")
    both = [plain, plain.transpose(1, 0, 2)]
    ways = {p[::d, ::a].tobytes() for p in both for d in (1, -1) for a in (1, -1)}
    for _ in range(count):
        outcome, seconds, image = tried(
            lambda c: decode_image(c, "a"), with_exif(jpeg, random_exif(rng))
        )
        if image is not None and image.tobytes() not in ways:
            outcome = "other pixels"
        yield outcome, seconds


def damaged(count, rng):
    """(outcome, seconds) of damaged files of every format."""
    contents = [
        encoded(picture(), form, **({} if form == "PPM" else {"icc_profile": profile()}))
        for form in FORMATS.values()
    ]
    for number in range(count):
        content = random_damage(rng, contents[number % len(contents)])
        yield tried(lambda c: decode_image(c, "a"), content)[:2]


def side_files(count, rng, read, content):
    """(outcome, seconds) of damaged side files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        for _ in range(count):
            path.write_bytes(random_damage(rng, content))
            yield tried(lambda p: read(p), path)[:2]


def jsons(count, rng):
    """(outcome, seconds) of damaged JSON."""
    value = {"actor": "Béla", "frames": {"00000": {"valence": 0, "landmarks": [[1.5, 2]] * 68}}}
    read = lambda path: read_json(path, SIDE_FILE_BYTES, "annotation")  # noqa: E731
    return side_files(count, rng, read, json.dumps(value, ensure_ascii=False).encode())


def tables(count, rng):
    """(outcome, seconds) of damaged CSV."""
    text = "image,subject\r\n" + "".join(f'{n}.jpg,"Béla {n}"\r\n' for n in range(20))
    read = lambda path: list(read_rows(path, ("image", "subject")))  # noqa: E731
    return side_files(count, rng, read, text.encode())


def largest(count, rng):
    """(outcome, seconds) of the largest image of each format, turned by its EXIF."""
    width = int(DEFAULT.pixels**0.5)
    with tempfile.TemporaryDirectory() as folder:
        for kind, (form, mode, options) in LARGEST.items():
            path = Path(folder, "a")
            is_costly = form == "WEBP" or "progressive" in options
            height = DEFAULT.pixels // (COSTLY if is_costly else 1) // width
            made = multiprocessing.get_context("spawn").Process(
                target=write_largest, args=(path, form, mode, width, height, options)
            )
            made.start()
            made.join()
            outcome, seconds, image = tried(read_image, path)
            del image
            path.unlink()
            yield f"{outcome} {kind}", seconds


def write_largest(path, form, mode, width, height, options):
    """Write a noisy image of that size; in a process of its own, for its memory."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (256, 256, len(mode)), dtype=np.uint8)
    image = Image.fromarray(np.tile(noise, (height // 256, width // 256, 1)), mode)
    turn = Image.Exif()
    turn[0x0112] = 6
    ImageFile.MAXBLOCK = 1 << 30  # libjpeg cannot suspend while it optimises
    image.save(path, format=form, **options, **({} if form in ("PPM", "BMP") else {"exif": turn}))


def tried(read, content):
    """Outcome, seconds and result of one reading."""
    start, result = time.perf_counter(), None
    try:
        result = read(content)
        outcome = "read"
    except BadInput as problem:
        outcome = "refused" if str(problem).isprintable() else "a poor message"
    except BaseException as error:
        outcome = f"raised {type(error).__name__}"
    return outcome, time.perf_counter() - start, result


KINDS = {"exif": exif, "bytes": damaged, "json": jsons, "csv": tables, "largest": largest}


def run(kind, count, seed, results):
    """Put (outcomes, worst seconds, MB before, MB of peak) of a kind into the queue."""
    decode_image(encoded(picture(), "PNG", icc_profile=profile()), "a")
    before = peak_memory() / 2**20
    outcomes, worst = Counter(), 0.0
    for outcome, seconds in KINDS[kind](count, np.random.default_rng(seed)):
        outcomes[outcome] += 1
        worst = max(worst, seconds)
    results.put((outcomes, worst, before, peak_memory() / 2**20))


def main():
    """Run every kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "kinds", nargs="*", default=list(KINDS), metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument("--count", type=int, default=20_000, help="photographs of each kind")
    parser.add_argument("--seed", type=int, default=16)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    rows, thresholds = [], []
    for kind in options.kinds:
        count = options.count if kind in ("exif", "bytes") else max(options.count // 10, 1)
        results = spawn.Queue()
        process = spawn.Process(target=run, args=(kind, count, options.seed, results))
        process.start()
        outcomes, worst, before, peak = results.get(timeout=3600)
        process.join()
        rows.append((kind, dict(outcomes), f"{worst:.3f}", f"{before:.0f}", f"{peak - before:.0f}"))
        fine = sum(
            n for outcome, n in outcomes.items() if outcome.split()[0] in ("read", "refused")
        )
        thresholds += [
            Threshold(f"{kind}: neither read nor refused", outcomes.total() - fine, 0),
            Threshold(f"{kind}: worst time, s", worst, MAX_SECONDS),
            Threshold(f"{kind}: peak memory, MB", peak, MAX_MB),
        ]
        if kind == "exif":
            thresholds.append(Threshold("exif: refused", outcomes["refused"], 0))
    print(
        pd.DataFrame(
            rows, columns=["kind", "outcomes", "worst s", "MB before", "MB more"]
        ).to_string(index=False)
    )
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
