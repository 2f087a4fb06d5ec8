"""Size and speed of stored pictures, on those of a build: bytes beside PNG, one random picture.

    python benchmarks/images.py --results results

Writes pictures of every synthesis chunk, evenly spread, into a scratch folder with the store, and
beside it as PNG (zlib's default effort, and OpenCV's best), as lossless WebP, with Zarr's default
codec, and as plain differences to the neutral picture modulo 256 (Blosc's zstd, and WebP). The
neutral pictures are a separate line: they are shared by all pictures of a photograph, of which a
build has one per class. Times are CPU milliseconds of all threads, and wall-clock times, which
include other jobs of the machine. A random picture: from an open store, with opening it, and for
comparison from Zarr's array of plain pictures. Exit status 1 where a threshold is missed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import zarr
from numcodecs import blosc
from thresholds import Threshold, check

from affect4d import store
from affect4d.formats.images import encode_png
from affect4d.store import images

CHOSEN = 200  # pictures per chunk that are read in random order
READS = {
    "reads": "open store",
    "cold reads": "opening it first",
    "plain reads": "Zarr's plain pictures",
}


def pictures_of(results, max_pictures):
    """((pictures, neutral, which), count) of every synthesis chunk.

    At most `max_pictures`, evenly spread, of the `count` pictures of a chunk.
    """
    for path in sorted(Path(results, "synthesis").glob("*/*.zarr")):
        chunk = store.open(path)
        count = len(chunk["images"])
        if count:
            rows = np.unique(np.linspace(0, count - 1, max_pictures).astype(int))
            neutral = chunk["neutral"][...]
            yield (chunk["images"][rows], neutral, chunk["photograph"][rows]), count


def spent(action):
    """Milliseconds of CPU and of the clock, and what the action returned."""
    clock, start = time.perf_counter(), time.process_time()
    done = action()
    return (time.process_time() - start) * 1e3, (time.perf_counter() - clock) * 1e3, done


def cv_bytes(pictures, suffix, options):
    return sum(len(cv2.imencode(suffix, p[..., ::-1], options)[1]) for p in pictures)


def size_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(pictures, neutral, which, folder):
    """One chunk's figures: bytes and milliseconds, in total."""
    count, path = len(pictures), folder / "chunk.zarr"
    arrays = {
        "images": store.Images(pictures, "neutral", "photograph"),
        "neutral": store.Images(neutral),
        "photograph": which,
    }
    store.write(path, arrays)  # compiles
    commit, _, _ = spent(lambda: store.write(path, arrays))
    base = neutral[which]
    encoding, _, stored = spent(lambda: images.encode(pictures, base))
    decoding, _, decoded = spent(lambda: images.decode(stored, base))
    if not np.array_equal(decoded, pictures):
        raise AssertionError("not what was written")
    plain = zarr.create_array(folder / "plain.zarr", data=pictures, chunks=(1, *pictures.shape[1:]))
    difference = pictures - base
    chosen = np.random.default_rng(0).integers(0, count, CHOSEN)
    opened = store.open(path)
    return {
        "pictures": count,
        "raw": pictures.nbytes,
        "ours": size_below(path / "images"),
        "neutral": size_below(path / "neutral"),
        "PNG": sum(len(encode_png(picture)) for picture in pictures),
        "PNG, best": cv_bytes(pictures, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]),
        "WebP": cv_bytes(pictures, ".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
        "Zarr default": plain.nbytes_stored(),
        "difference, zstd": sum(len(blosc.compress(d, b"zstd", 3, 0)) for d in difference),
        "difference, WebP": cv_bytes(difference, ".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
        "encode": encoding,
        "decode": decoding,
        "commit": commit,
        "reads": [spent(lambda i=i: opened["images"][i])[:2] for i in chosen],
        "plain reads": [spent(lambda i=i: plain[i])[:2] for i in chosen],
        "cold reads": [spent(lambda i=i: store.open(path)["images"][i])[:2] for i in chosen[:50]],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", default="results", help="results folder of a build")
    parser.add_argument(
        "--max-pictures", type=int, default=200, help="pictures per chunk (default 200)"
    )
    options = parser.parse_args()
    chunks = []
    for chunk, count in pictures_of(options.results, options.max_pictures):
        with tempfile.TemporaryDirectory() as folder:
            chunks.append(measure(*chunk, Path(folder)) | {"in all": count})
        print(f"{chunks[-1]['pictures']} pictures measured", file=sys.stderr)
    if not chunks:
        sys.exit(f"{options.results}: no synthesized pictures; run snakemake first")
    count = sum(chunk["pictures"] for chunk in chunks)
    total = {key: sum(chunk[key] for chunk in chunks) for key in chunks[0] if "reads" not in key}
    # Each neutral picture once, shared by all that the build made of it.
    total["ours, with the neutral"] = total["ours"] + total["neutral"] * count / total["in all"]
    sizes = ["ours", "ours, with the neutral", "PNG", "PNG, best", "WebP", "Zarr default"]
    sizes += ["difference, zstd", "difference, WebP"]
    table = pd.DataFrame(
        {
            "bytes per picture": [total[name] / count for name in sizes],
            "of PNG": [total[name] / total["PNG"] for name in sizes],
            "of the best PNG": [total[name] / total["PNG, best"] for name in sizes],
        },
        index=sizes,
    )
    print(f"{count} of {total['in all']} pictures")
    print(table.to_string(float_format="{:.3f}".format), end="\n\n")
    for key in ("encode", "decode", "commit"):
        rate = total["raw"] / 1e3 / total[key]
        print(f"{key}: {total[key] / count:.2f} ms of CPU per picture, {rate:.0f} MB/s")
    reads = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in READS}
    for key, times in reads.items():
        (cpu, clock), (cpu95, clock95) = np.percentile(times, [50, 95], axis=0)
        print(f"a random picture, {READS[key]}: ", end="")
        print(f"median {cpu:.2f} ms of CPU ({clock:.2f} of wall-clock time), ", end="")
        print(f"95 % within {cpu95:.2f} ({clock95:.2f})")
    worst = total["ours, with the neutral"]
    thresholds = [
        Threshold("bytes, with the neutral, over PNG", worst / total["PNG"], 0.6),
        Threshold("bytes, with the neutral, over the best PNG", worst / total["PNG, best"], 0.6),
        Threshold(
            "one random picture, median ms of CPU", float(np.median(reads["reads"][:, 0])), 5.0
        ),
    ]
    sys.exit(check(thresholds))


if __name__ == "__main__":
    main()
