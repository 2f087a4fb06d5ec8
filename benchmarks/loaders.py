"""How fast each format of a dataset feeds a network: frames per second of one core, in one run.

    python benchmarks/loaders.py --results results --size 96

The images of some people of a published dataset, reduced to `--size`, are written as a NumPy array,
as Zarr with one sample per chunk, as Parquet and WebDataset shards with a sample per neutral image,
and as loose JPEG files. A pass reads all frames of every person as arrays; the best of three counts
(a warm cache, CPU time of all threads). WebDataset is read by the standard library's `tarfile`.
"""

import argparse
import io
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from PIL import Image

from affect4d.dataset.columns import all_columns
from affect4d.dataset.published import Published
from affect4d.dataset.shards import write_shards
from affect4d.dataset.tars import write_tars
from affect4d.formats.images import encode_jpeg

PASSES = 3
CLIP = 80  # frames of a sample, as the published network's sequences


def decoded(content):
    """The pixels of an encoded image."""
    return np.asarray(Image.open(io.BytesIO(content)))


def write_formats(folder, published, size, people):
    """{format: a function that yields the frames (T, S, S, 3) of each sample}."""
    rows = published.rows
    neutral = rows[rows["class"] < 0]["neutral_image_id"][:people]
    rows = rows[rows["neutral_image_id"].isin(neutral)]
    rows = rows.groupby("neutral_image_id").head(CLIP).reset_index(drop=True)
    rows["split"] = "train"
    small = [np.asarray(Image.fromarray(p).resize((size, size))) for p in published.read(rows)]
    frames = np.stack(small).reshape(-1, CLIP, size, size, 3)
    files = {
        name: encode_jpeg(each, 95) for name, each in zip(rows["image_id"], small, strict=True)
    }

    def encoded(part):
        return [{"bytes": files[name], "path": f"{name}.jpg"} for name in part["image_id"]]

    np.save(folder / "frames.npy", frames)
    array = zarr.create_array(folder / "frames.zarr", data=frames, chunks=(1, *frames.shape[1:]))
    columns = all_columns(list(rows.columns))
    columns = [column for column in columns if column.name in {*rows, "image"}]
    options = {"encoded": encoded, "shard_rows": len(rows)}
    write_shards(folder / "data", rows, columns, classes=published.classes, **options)
    names = [column.name for column in columns if column.name != "image"]
    write_tars(folder, rows, names, **options)
    (folder / "loose").mkdir()
    for name, content in files.items():
        (folder / "loose" / f"{name}.jpg").write_bytes(content)
    clips = [list(part["image_id"]) for _, part in rows.groupby("neutral_image_id")]

    def numpy():
        for clip in np.load(folder / "frames.npy", mmap_mode="r"):
            yield np.array(clip)

    def chunks():
        for number in range(array.shape[0]):
            yield array[number]

    def parquet():
        for path in (folder / "data").glob("*.parquet"):
            table = pd.read_parquet(path, columns=["neutral_image_id", "image"])
            for _, part in table.groupby("neutral_image_id"):
                yield np.stack([decoded(image["bytes"]) for image in part["image"]])

    def webdataset():
        for path in (folder / "webdataset").glob("*.tar"):
            with tarfile.open(path) as archive:
                sample = []
                for entry in archive:
                    content = archive.extractfile(entry).read()
                    if entry.name.endswith(".json"):
                        if sample:
                            yield np.stack(sample)
                        sample = []
                    else:
                        sample.append(decoded(content))
                yield np.stack(sample)

    def loose():
        for clip in clips:
            yield np.stack([decoded((folder / "loose" / f"{n}.jpg").read_bytes()) for n in clip])

    return {"npy, mapped": numpy, "zarr, a sample per chunk": chunks, "parquet": parquet,
            "webdataset": webdataset, "loose jpeg": loose}, frames.shape[0] * CLIP  # fmt: skip


def main():
    """Print one line per format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--people", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        published = Published(given.results / "dataset")
        formats, count = write_formats(Path(scratch), published, given.size, given.people)
        print(f"{count} frames of {given.size} px, samples of {CLIP}")
        for name, read in formats.items():
            seconds = []
            for _ in range(PASSES):
                start = time.process_time()
                assert sum(len(clip) for clip in read()) == count
                seconds.append(time.process_time() - start)
            print(f"{name}: {count / min(seconds):,.0f} frames per CPU second")


if __name__ == "__main__":
    sys.exit(main())
