"""The planning of a large build, and its affectspace job: seconds and memory by number of items.

    python benchmarks/scale.py                            # 1,580 sequences, 600,000 frames
    python benchmarks/scale.py --grow                     # how each figure grows, as a table
    python benchmarks/scale.py --sequences 15800 --frames 6000000 --no-affectspace --one-file

A table of scans is made (CSV) whose files are there and empty: only their number is real. Then
snakemake plans the build twice: from nothing, and where every artifact is there (manifests that
state settings and code, and Snakemake's own records). `job` is what a job of a cluster repeats: the
workflow is parsed and one chunk of scans is planned. The affectspace job reads registered
sequences of 200 vertices, of which it reads as much as of complete ones.

Every figure is that of one process: seconds of the clock and of processors, and the kernel's
largest resident memory.
Exit status 1 where a threshold is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.contexts import context
from support.empty_builds import write_empty_build
from support.recorded import record
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.artifacts.gallery import FRAME_COLUMNS, FRAMES
from affect4d.artifacts.registration import REGISTERED
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.config.gallery import Settings as GallerySettings
from affect4d.gallery.user_table import read_table

REPOSITORY = Path(__file__).parents[1]
SEQUENCES, FRAMES_COUNT, SUBJECTS = 1580, 600_000, 180  # of 4DFAB, as the paper states them
SYNTHESIS_JOBS = 100  # per database: of the paper's 168,999 images about 850 each
MAX_PLAN_S, MAX_PLAN_GB, MAX_AFFECTSPACE_S = 60, 2.0, 120
VERTICES = 200  # of which the affectspace job reads about so many of any face


def write_table(folder, sequences, frames, *, one_file):
    """A table of scans as CSV with its files, all of them empty; one per sequence if `one_file`."""
    counts = np.full(sequences, frames // sequences)
    counts[: frames % sequences] += 1
    sequence = np.repeat(np.arange(sequences), counts)
    frame = np.concatenate([np.arange(count) for count in counts])
    names = np.array([f"p{n % SUBJECTS:03d}_{n // SUBJECTS}_s{n:05d}" for n in range(sequences)])
    phase = frame / 40 + sequence
    stem = pd.Series(names[sequence]) + "/"
    stem += "0" if one_file else pd.Series(frame).astype(str).str.zfill(5)
    table = pd.DataFrame(
        {
            "subject": np.array([f"p{n:03d}" for n in range(SUBJECTS)])[sequence % SUBJECTS],
            "session": sequence // SUBJECTS,
            "sequence": names[sequence],
            "frame": frame,
            "mesh": stem + ".obj",
            "texture": "",
            "landmarks": stem + ".pts",
            "expression": "",
            "is_apex": "false",
            "is_neutral": np.where(frame == 0, "true", "false"),
            "valence": np.round(0.9 * np.sin(phase), 3),
            "arousal": np.round(0.9 * np.cos(phase * 0.7), 3),
        }
    )
    for name in tqdm(names, "files", leave=False):
        (folder / "scans" / name).mkdir(parents=True)
    for name in pd.unique(table[["mesh", "landmarks"]].to_numpy().ravel()):
        os.close(os.open(f"{folder}/scans/{name}", os.O_CREAT | os.O_WRONLY))
    table.to_csv(folder / "scans.csv", index=False)


def write_config(folder, synthesis_jobs):
    """The configuration of a build of the table."""
    gallery = {"root": str(folder / "scans"), "table": str(folder / "scans.csv")}
    config = {
        "gallery": {"source": "manifest", "manifest": gallery},
        "blendshapes": {"classes_per_job": 1},
        "fitting": {"chunks": synthesis_jobs},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return config


def report(what, measured):
    """Print a figure of `measure` as soon as it is there, with the machine's load; returns it."""
    seconds, cpu, gb = measured
    load = os.getloadavg()[0]
    print(f"{what}: {seconds:.1f} s ({cpu:.1f} CPU s), {gb:.2f} GB, load {load:.0f}", flush=True)
    return measured


def measure(folder, *command):
    """Run a command in a folder: seconds, CPU seconds, and GB of its largest resident memory."""
    start = time.monotonic()
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command}:\n{(folder / 'out.txt').read_text()[-3000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return time.monotonic() - start, cpu, usage.ru_maxrss / 2**20


def snakemake(*arguments):
    """The command line of snakemake on this repository's workflow."""
    program = str(Path(sys.executable).with_name("snakemake"))
    return program, "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "1", *arguments


def write_registered(folder, config):
    """The gallery's table of frames, and a registered sequence of `VERTICES` for each of its."""
    rows = read_table(GallerySettings(**config["gallery"])).to_pandas()
    frames = rows.reindex(columns=list(FRAME_COLUMNS))
    for name in ("valence", "arousal"):
        frames[name] = pd.to_numeric(frames[name])
    frames["frame"] = frames["frame"].astype(int)
    for name in ("is_apex", "is_neutral"):
        frames[name] = frames[name] == "true"
    path = FRAMES.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames.to_parquet(path, index=False)
    record(folder, path)
    os.fsync = lambda descriptor: None  # made-up sequences need not outlast a power cut
    rng = np.random.default_rng(0)
    neutral, basis = rng.normal(0, 50, (VERTICES, 3)), rng.normal(0, 1, (2, VERTICES, 3))
    for name, part in tqdm(frames.groupby("sequence"), "registered", leave=False):
        shown = part[["valence", "arousal"]].shift(2).bfill().to_numpy()
        values = (
            neutral + np.tensordot(shown, basis, 1) + rng.normal(0, 0.1, (len(part), VERTICES, 3))
        )
        vertices = store.Vertices(values.astype(np.float32), neutral.astype(np.float32))
        arrays = {"vertices": vertices, "flags": np.zeros(len(part), np.uint16)}
        store.write(
            REGISTERED.path(folder, sequence=name), arrays, {"frame_ids": list(part["frame_id"])}
        )


def run_affectspace(folder):
    """The affectspace job, in this process."""
    build_affectspace(context(folder, "affectspace"), AffectSpaceSettings())


def figures(folder, arguments):
    """{what: (seconds, CPU seconds, GB)} of a build in a folder."""
    write_table(folder, arguments.sequences, arguments.frames, one_file=arguments.one_file)
    config = write_config(folder, arguments.jobs)
    plan = snakemake("--dry-run", "--quiet", "all")
    measured = {"plan": report("plan", measure(folder, *plan))}
    one = "results/gallery/scans/c0000.manifest.json"
    rule = ("--allowed-rules", "gallery_scans", "--")
    job = snakemake("--dry-run", "--quiet", "all", *rule, one)
    measured["job"] = report("job", measure(folder, *job))
    write_empty_build(folder, REPOSITORY)
    measured["plan again"] = report("plan again", measure(folder, *plan))
    if "Nothing to be done" not in (folder / "out.txt").read_text():
        print("the second plan is not empty: " + (folder / "out.txt").read_text()[:2000])
    if arguments.affectspace:
        built = folder / "affectspace"
        write_registered(built, config)
        here = (sys.executable, str(Path(__file__).resolve()), "--folder", str(built))
        measured["affectspace"] = report("affectspace", measure(folder, *here))
    return measured


def main():
    """Measure one build, or several of growing size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=SEQUENCES)
    parser.add_argument("--frames", type=int, default=FRAMES_COUNT)
    parser.add_argument("--jobs", type=int, default=SYNTHESIS_JOBS, help="synthesis, per database")
    parser.add_argument("--grow", action="store_true", help="a table of growing sizes")
    parser.add_argument("--one-file", action="store_true", help="frames of a sequence share files")
    parser.add_argument("--affectspace", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--folder", type=Path, help="run its affectspace job only")
    arguments = parser.parse_args()
    if arguments.folder:
        run_affectspace(arguments.folder)
        return 0
    sizes = [(arguments.sequences, arguments.frames, arguments.jobs)]
    if arguments.grow:
        full = sizes[0]
        shrunk = [(full[0] // k, full[1] // k, full[2]) for k in (8, 4, 2)]
        sizes = [*shrunk, (full[0] // 8, full[1] // 8, full[2] * 4), full]
    rows = []
    for arguments.sequences, arguments.frames, arguments.jobs in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measured = figures(Path(folder), arguments)
        size = [arguments.sequences, arguments.frames, 2 * arguments.jobs]
        rows.append(
            [*size, *(f"{s:.1f} s ({cpu:.1f}), {gb:.2f} GB" for s, cpu, gb in measured.values())]
        )
        columns = ["sequences", "frames", "synthesis jobs", *measured]
        print(pd.DataFrame(rows[-1:], columns=columns).to_string(index=False), flush=True)
    thresholds = [
        threshold
        for what in ("plan", "plan again")
        for threshold in (
            Threshold(f"{what}, s", measured[what][0], MAX_PLAN_S),
            Threshold(f"{what}, GB", measured[what][2], MAX_PLAN_GB),
        )
    ]
    if "affectspace" in measured:
        thresholds.append(
            Threshold("affectspace, s", measured["affectspace"][0], MAX_AFFECTSPACE_S)
        )
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
