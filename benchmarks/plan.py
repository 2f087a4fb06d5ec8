"""`affect4d plan` beside what was then measured: jobs, processor time, memory, disk and files.

    python benchmarks/plan.py BUILD --former OTHER           # a finished build, planned by another
    python benchmarks/plan.py BUILD --former OTHER --config BUILD/../config.yaml

    python benchmarks/plan.py --paper --former OTHER         # the paper's build, planned alone

The build is planned from its configuration alone, as before anything of it was there. Compared are
the jobs of which the build holds a benchmark file of Snakemake; `--config` names the configuration
of a build that has no crate. Exit status 1 where a figure misses by more than 30 %.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from scale import FRAMES_COUNT, SEQUENCES, write_config, write_table
from thresholds import Threshold, check

from affect4d.operations.plan import make_plan
from affect4d.provenance.lineage import load_build
from affect4d.provenance.planned_jobs import recorded_run, stated_config

MAX_MISS = 0.3
# of the paper (section 5): images of each database of photographs, and classes
PAPER_IMAGES, PAPER_CLASSES = {"first": 108_864, "second": 60_135}, 100
PAPER_CHUNKS = 100  # jobs of synthesis of each
SUMS = ("jobs", "CPU s", "disk, MB", "files")


def compare(config, former, build):
    """One row per rule of what is expected of the jobs that the build has run; and of those."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(config | {"results": "results"}))
        os.chdir(folder)
        plan = make_plan([], former, workers=2, from_nothing=True)
        os.chdir("/")
    runs = [(cost, recorded_run(build, cost.job)) for cost in plan.jobs]
    runs = [(cost, run) for cost, run in runs if run is not None]
    expected = summarise((c.job.rule, 1, c.seconds, c.memory, c.mb, c.files) for c, _ in runs)
    rules = {cost.job.rule for cost, _ in runs}
    jobs = [(cost.job.rule, 1, run.cpu_s, run.memory_mb, 0, 0) for cost, run in runs]
    return expected, summarise(jobs + stored(build, rules))


def stored(build, rules):
    """Rows of the size and number of the files that jobs of some rules have left."""
    rows = []
    for manifest in load_build(build).manifests.values():
        files = [file for file in manifest.files if not file.path.endswith(".manifest.json")]
        size = sum(file.size for file in files) / 2**20
        rows.append((manifest.rule, 0, 0, 0, size, len(files) + 1))
    return [row for row in rows if row[0] in rules]


def plan_paper(former):
    """The plan of the paper's build on a cluster: scans and photographs are empty files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_table(folder, SEQUENCES, FRAMES_COUNT, one_file=True)
        config = write_config(folder, PAPER_CHUNKS)
        for name, images in PAPER_IMAGES.items():
            (folder / name).mkdir()
            for number in range(-(-images // PAPER_CLASSES)):
                for suffix in (".png", ".pts"):
                    (folder / name / f"{number:04d}{suffix}").touch()
        databases = {
            name: {"adapter": "folder", "root": str(folder / name)} for name in PAPER_IMAGES
        }
        config["neutrals"] = {"databases": databases, "max_images": max(PAPER_IMAGES.values())}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        os.chdir(folder)
        plan = make_plan([], former, workers=100, on_cluster=True, from_nothing=True)
        os.chdir("/")
    return plan


def summarise(rows):
    """One row per rule: sums over its jobs, and the largest memory."""
    columns = ["rule", "jobs", "CPU s", "memory, MB", "disk, MB", "files"]
    table = pd.DataFrame(rows, columns=columns).groupby("rule", sort=False)
    return table.agg(dict.fromkeys(SUMS, "sum") | {"memory, MB": "max"})


def main():
    """Print both and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, nargs="?", help="results folder")
    parser.add_argument("--paper", action="store_true", help="plan the paper's build")
    parser.add_argument("--former", type=Path, required=True, action="append")
    parser.add_argument("--config", type=Path, help="the build's configuration; its crate's")
    arguments = parser.parse_args()
    former = [path.resolve() for path in arguments.former]
    if arguments.paper:
        print(plan_paper(former).text())
        return 0
    build = arguments.build.resolve()
    if arguments.config:
        config = yaml.safe_load(arguments.config.read_text())
    else:
        config = stated_config(build)
    expected, measured = compare(config, former, build)
    both = expected.join(measured, suffixes=(", planned", ", measured"), how="outer")
    print(both.fillna(0).round(1).to_string())
    limits = []
    for figure in (*SUMS, "memory, MB"):
        how = "max" if figure == "memory, MB" else "sum"
        ratio = expected[figure].agg(how) / measured[figure].agg(how)
        print(
            f"{figure}: {expected[figure].agg(how):.0f} planned, "
            f"{measured[figure].agg(how):.0f} measured"
        )
        limits.append(Threshold(f"{figure}, planned to measured - 1", abs(ratio - 1), MAX_MISS))
    return check(limits)


if __name__ == "__main__":
    sys.exit(main())
