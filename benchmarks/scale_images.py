"""A build of 100,000 images of 64 pixels, killed once on the way: rate, memory, audit, `explain`.

    python benchmarks/scale_images.py results               # of a finished default build
    python benchmarks/scale_images.py results --people 4    # the same of a few people

Everything up to the blendshapes is that build's, as links. More people are rendered as photographs,
and every photograph gets each class and 20 samples of each. The build, up to the dataset, is killed
with all its processes once half of its jobs of synthesis are done, and resumed. Figures of each
rule are those that Snakemake records. With `--former`, `affect4d plan` says before what it will
cost. Exit status 1 where a threshold is missed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml
from scale import measure, snakemake
from thresholds import Threshold, check

from affect4d.operations.count import count_build
from affect4d.provenance.planned_jobs import read_run, stated_config

PEOPLE = 48  # with the demo's four photographs, 99 classes and 21 images of each: 108,000
PEOPLE_PER_JOB = (
    13  # of whose 27,000 pictures of 64 pixels a job holds 330 MB, twice when it writes
)
SIZE, SAMPLES = 64, 20  # pixels; images beside the mean of each class
MIN_IMAGES = 100_000
MAX_GROWTH = 1.25  # of the largest memory, from the first half of a rule's jobs to the second
MADE_ANEW = (
    "gallery/portraits*", "neutrals", "fits/[!m]*", "synthesis", "readers", "dataset*", "crate*",
    "audit.json", "report.html", "ro-crate-metadata.json", "logs", "benchmarks",
)  # fmt: skip


def link_build(build, folder, people):
    """A folder with a configuration and what does not depend on it, as links to a build's files."""
    results = folder / "results"
    shutil.copytree(build, results, copy_function=os.link, symlinks=True)
    for pattern in MADE_ANEW:
        for path in results.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    config = stated_config(build)
    config["results"] = "results"
    config["gallery"]["synthetic"]["portraits"] = people
    config["neutrals"]["max_images"] = people
    config["fitting"]["chunks"] = -(-people // PEOPLE_PER_JOB)
    config["synthesis"] |= {"size": SIZE, "samples": SAMPLES}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return results


def run_build(folder, *, kill_at=None):
    """Run snakemake on two cores; kill it with its processes once so many synthesis jobs are done.

    Whatever the code of the linked artifacts was, they are taken as they are.
    """
    command = [
        *snakemake(
            "--rerun-triggers", "mtime", "--rerun-incomplete", "--", "results/dataset.manifest.json"
        )
    ]
    command[command.index("--cores") + 1] = "2"
    with (folder / "build.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        while process.poll() is None:
            done = list((folder / "results/synthesis").glob("*/[0-9]*.manifest.json"))
            if kill_at is not None and len(done) >= kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                subprocess.run(
                    [*snakemake("--unlock")], cwd=folder, check=True, capture_output=True
                )
                return len(done)
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit((folder / "build.log").read_text()[-4000:])
    return None


def plan_build(folder, former):
    """What `affect4d plan` says of the build to come, as JSON."""
    command = [sys.executable, "-m", "affect4d.cli", "plan", "--json", "--former", str(former)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def read_figures(results):
    """One row per job that ran, in their order: rule, s, CPU s, MB of memory."""
    files = sorted((results / "benchmarks").rglob("*.tsv"), key=lambda path: path.stat().st_mtime)
    rows = []
    for path in files:
        run = read_run(path)
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        rows.append((rule, run.seconds, run.cpu_s, run.memory_mb))
    return pd.DataFrame(rows, columns=["rule", "s", "CPU s", "MB"])


def growth(figures):
    """How much more memory the last of the jobs of synthesis took than the first, as a ratio."""
    memory = figures.loc[figures["rule"] == "synthesis", "MB"].to_numpy()
    half = len(memory) // 2
    return float(memory[half:].max() / memory[:half].max())


def main():
    """Build, kill, resume, audit, explain."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, help="results folder of a finished build")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--former", type=Path, help="a finished build by whose jobs to plan")
    parser.add_argument("--folder", type=Path, help="where to build; by default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        return run(arguments.build.resolve(), folder.resolve(), arguments)


def run(build, folder, arguments):
    """The benchmark, in a folder; returns the exit status."""
    results = link_build(build, folder, arguments.people)
    if arguments.former:
        print(json.dumps(plan_build(folder, arguments.former), indent=1))
    start = time.monotonic()
    killed = run_build(folder, kill_at=-(-arguments.people // PEOPLE_PER_JOB))
    run_build(folder)
    seconds, figures = time.monotonic() - start, read_figures(results)
    table = figures.groupby("rule", sort=False).agg(
        jobs=("s", "size"), s=("s", "sum"), cpu_s=("CPU s", "sum"), mb=("MB", "max")
    )
    print(table.round(1).to_string())
    images = count_build(results)["synthesized images"]
    cpu = table.loc["synthesis", "cpu_s"]
    print(f"{images} images; killed once {killed} jobs of synthesis were done; {seconds:.0f} s")
    print(
        f"images per second: {images / seconds:.0f}, per CPU second of synthesis {images / cpu:.0f}"
    )
    rows = {"audit": ("audit", "results"), "explain": ("explain", example(results))}
    program = (sys.executable, "-m", "affect4d.cli")
    for what, command in rows.items():
        s, cpu, gb = measure(folder, *program, *command)
        print(f"{what}: {s:.1f} s ({cpu:.1f} CPU s), {gb:.2f} GB")
    return check(
        [
            Threshold("images", images, arguments.people * MIN_IMAGES / PEOPLE, at_least=True),
            Threshold("memory of the later jobs to the earlier", growth(figures), MAX_GROWTH),
        ]
    )


def example(results):
    """The name of an image of the dataset."""
    shard = next((results / "dataset/data").glob("*.parquet"))
    return pd.read_parquet(shard, columns=["image_id"])["image_id"].iloc[-1]


if __name__ == "__main__":
    sys.exit(main())
