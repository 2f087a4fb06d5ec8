"""Time to index a database's names, and to decode single frames of its videos.

    python benchmarks/databases.py                  # 100,000 names; 1,000 frames of 20 videos
    python benchmarks/databases.py --names 10000 --videos 2
    python benchmarks/databases.py --chain          # every layout, generated, to synthesized images

Names are those of Multi-PIE, of empty files: no image is opened. Frames are drawn at random; each
must have the pixels that decoding everything gives, and those that the program `ffmpeg` gives for
its number, where that is installed. Exit status 1 where a threshold is missed.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from thresholds import Threshold, check

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.database_chain import replace_detector, run_chain
from support.database_layouts import WRITERS, write_database
from support.videos import all_frames, numbered_pictures, write_video

from affect4d.config.neutrals import Database
from affect4d.formats.video import read_frame
from affect4d.neutrals.database_report import check_database
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import Quarantine

MAX_SECONDS = 20  # for 100,000 names
MIN_RATIO = 5  # decoding everything takes at least so many times as long
SHOWN = ("accepted", "fitted", "images")  # counts of the chain
FRAMES_PER_VIDEO = 50
VIDEO_FRAMES = 3000  # two minutes at 25 frames/s


def write_names(root, count):
    """Empty files under the names of Multi-PIE's multiview images, each with landmarks."""
    for number in range(count // 2):
        light, rest = number % 20, number // 20
        camera, person = rest % 15, rest // 15
        folder = root / f"session01/multiview/{person:03d}/01/{camera:02d}_1"
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in ("png", "pts"):
            (folder / f"{person:03d}_01_01_{camera:02d}1_{light:02d}.{suffix}").touch()


def index_names(count):
    """Seconds of finding candidates among so many files, and of the complete report."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_names(root, count)
        start, processor = time.perf_counter(), time.process_time()
        database = Database(adapter="multi_pie", root=folder)
        found = find_candidates("db", database, results=root, quarantine=Quarantine("neutrals"))
        indexed = time.perf_counter() - start
        processor = time.process_time() - processor
        start = time.perf_counter()
        check_database("multi_pie", root)
        print(f"{count} files, {len(found)} images: found in {indexed:.1f} s ", end="")
        print(f"({processor:.1f} s of processor time), ", end="")
        print(f"checked in {time.perf_counter() - start:.1f} s")
        return indexed


def decode_frames(videos):
    """How many times longer decoding everything takes than frames drawn at random.

    Processor time: other programs on the machine do not change it.
    """
    rng = np.random.default_rng(0)
    single = everything = 0.0
    with tempfile.TemporaryDirectory() as folder:
        pictures = numbered_pictures(VIDEO_FRAMES // 20, (240, 320)) * 20
        for number in range(videos):
            path = write_video(Path(folder) / f"{number}.mp4", pictures, preset="ultrafast", bf="2")
            start = time.process_time()
            expected = all_frames(path)
            everything += time.process_time() - start
            drawn = np.sort(rng.choice(len(expected), FRAMES_PER_VIDEO, replace=False))
            start = time.process_time()
            frames = [read_frame(path, int(index)) for index in drawn]
            single += time.process_time() - start
            assert (np.stack(frames) == expected[drawn]).all()
            if program := shutil.which("ffmpeg"):
                assert ffmpeg_frames(program, path, drawn) == np.stack(frames).tobytes()
    count = videos * FRAMES_PER_VIDEO
    print("compared with ffmpeg" if program else "ffmpeg is not installed: not compared with it")
    print(f"{count} frames: {single:.1f} s; all {videos * VIDEO_FRAMES}: {everything:.1f} s")
    return everything / single


def ffmpeg_frames(program, path, numbers):
    """The frames of these numbers as the program ffmpeg writes them, RGB, one after another."""
    chosen = "+".join(f"eq(n\\,{number})" for number in numbers)
    command = [program, "-v", "error", "-i", path, "-vf", f"select={chosen}"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def print_chain():
    """Counts of every generated layout, with a model and an atlas in miniature."""
    replace_detector(setattr)
    columns = ("database", "candidates", "neutral", *SHOWN)
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            found = write_database(name, Path(folder) / "root")
            made = run_chain(Path(folder), Path(folder) / "root", name)
            counts = [found.candidates, found.neutral, *(made[key] for key in SHOWN)]
        print(f"| {name} | {' | '.join(map(str, counts))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--chain", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.chain:
        print_chain()
        return 0
    thresholds = [
        Threshold("index 100,000 names, s", index_names(options.names), MAX_SECONDS),
        Threshold("all frames / single", decode_frames(options.videos), MIN_RATIO, at_least=True),
    ]
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
