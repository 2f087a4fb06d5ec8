"""Size and speed of stored pictures, on those of a build: bytes beside PNG, one picture at random.

    python benchmarks/images.py --results results

Takes the pictures of every synthesis chunk, writes them anew into a scratch folder with the store,
and beside it as PNG (zlib's usual effort, and OpenCV's best), as lossless WebP, and with Zarr's
default codec. Times are CPU milliseconds of one thread. A picture at random: from an open store,
and with opening it. Exit status 1 where a bar is missed.
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
from bars import Bar, judge

from affect4d import store
from affect4d.formats.images import encode_png
from affect4d.store import images

READS = 200


def pictures_of(results, most):
    """(pictures, neutral, which) of every synthesis chunk, no more than `most` pictures of each."""
    for path in sorted(Path(results, "synthesis").glob("*/*.zarr")):
        chunk = store.open(path)
        if len(chunk["images"]):
            yield chunk["images"][:most], chunk["neutral"][...], chunk["photograph"][:most]


def spent(action):
    start = time.process_time()
    done = action()
    return (time.process_time() - start) * 1e3, done


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
    commit, _ = spent(lambda: store.write(path, arrays))
    base = neutral[which]
    encoding, stored = spent(lambda: images.encode(pictures, base))
    decoding, decoded = spent(lambda: images.decode(stored, base))
    if not np.array_equal(decoded, pictures):
        raise AssertionError("not what was written")
    plain = zarr.create_array(folder / "plain.zarr", data=pictures, chunks=(1, *pictures.shape[1:]))
    chosen = np.random.default_rng(0).integers(0, count, READS)
    opened = store.open(path)
    return {
        "pictures": count,
        "ours": size_below(path / "images"),
        "neutral": size_below(path / "neutral"),
        "PNG": sum(len(encode_png(picture)) for picture in pictures),
        "PNG, best": cv_bytes(pictures, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]),
        "WebP": cv_bytes(pictures, ".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
        "Zarr default": plain.nbytes_stored(),
        "encode": encoding,
        "decode": decoding,
        "commit": commit,
        "reads": [spent(lambda i=i: opened["images"][i])[0] for i in chosen],
        "cold reads": [spent(lambda i=i: store.open(path)["images"][i])[0] for i in chosen[:50]],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", default="results", help="results folder of a build")
    parser.add_argument("--most", type=int, default=200, help="pictures a chunk (default 200)")
    given = parser.parse_args()
    found = []
    for chunk in pictures_of(given.results, given.most):
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(*chunk, Path(folder)))
        print(f"{found[-1]['pictures']} pictures measured", file=sys.stderr)
    if not found:
        sys.exit(f"{given.results}: no synthesized pictures; run snakemake first")
    count = sum(chunk["pictures"] for chunk in found)
    total = {key: sum(chunk[key] for chunk in found) for key in found[0] if "reads" not in key}
    sizes = ["ours", "PNG", "PNG, best", "WebP", "Zarr default"]
    table = pd.DataFrame(
        {
            "bytes a picture": [total[name] / count for name in sizes],
            "of PNG": [total[name] / total["PNG"] for name in sizes],
            "of the best PNG": [total[name] / total["PNG, best"] for name in sizes],
        },
        index=sizes,
    )
    print(f"{count} pictures; the neutral ones, kept once a chunk: {total['neutral']:,} bytes")
    print(table.to_string(float_format="{:.3f}".format), end="\n\n")
    reads, cold = (np.concatenate([c[key] for c in found]) for key in ("reads", "cold reads"))
    print("ms a picture: " + ", ".join(
        f"{key} {total[key] / count:.2f}" for key in ("encode", "decode", "commit")))  # fmt: skip
    for name, times in (("open store", reads), ("opening it first", cold)):
        p50, p95 = np.percentile(times, [50, 95])
        print(f"one at random, {name}: median {p50:.2f} ms, p95 {p95:.2f} ms")
    bars = [
        Bar("bytes of ours over PNG", total["ours"] / total["PNG"], 0.6),
        Bar("bytes of ours over the best PNG", total["ours"] / total["PNG, best"], 0.6),
        Bar("one picture at random, median ms", float(np.median(reads)), 5.0),
    ]
    sys.exit(judge(bars))


if __name__ == "__main__":
    main()
