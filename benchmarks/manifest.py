"""Time of parsing the workflow and building the job graph for a table of scans.

Every job of a cluster parses the workflow again, and so does each `snakemake -n`. The files of all
rows are hard links to one, so that a table of 4DFAB's size fits on any disk.

python benchmarks/manifest.py --rows 6000 60000 --frames 200
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (
    "subject,session,sequence,frame,mesh,texture,landmarks,valence,arousal,expression,"
    "is_apex,is_neutral"
)


def write_scans(folder, rows, frames):
    """Write `scans.csv` and the files that it names; `frames` rows per sequence."""
    source = folder / "one.bin"
    source.write_bytes(b"scan")
    with (folder / "scans.csv").open("w") as table:
        table.write(COLUMNS + "\n")
        for row in range(rows):
            number, frame = divmod(row, frames)
            sequence = f"p{number // 16:03d}_1_talk{number:04d}"
            if frame == 0:
                (folder / sequence).mkdir()
            names = [f"{sequence}/{frame:05d}.{end}" for end in ("obj", "jpg", "pts")]
            for name in names:
                _link(source, folder / name, folder)
            table.write(
                f"p{number // 16:03d},1,{sequence},{frame},{','.join(names)},"
                f"{(row % 199 - 99) / 100},{(row % 97 - 48) / 50},,false,"
                f"{'true' if frame == 0 else 'false'}\n"
            )


def _link(source, path, folder):
    try:
        os.link(source, path)
    except OSError:  # a file system's limit of links to one file
        fresh = folder / f"one{path.parent.name}{path.name}.bin"
        fresh.write_bytes(b"scan")
        fresh.replace(source)
        os.link(source, path)


def measure(workflow, folder):
    """Seconds of a dry run of all, and of what one job's process does of it."""
    config = {
        "gallery": {
            "source": "manifest",
            "manifest": {"root": str(folder), "table": str(folder / "scans.csv")},
        }
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    job = ["results/gallery/scans/c0000.manifest.json"]
    other = ["results/registration/template.manifest.json"]
    return [_seconds(workflow, folder, targets) for targets in ([], job, other)]


def _seconds(workflow, folder, targets):
    start = time.perf_counter()
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("snakemake")), "--snakefile", workflow / "Snakefile",
            "--dry-run", "--quiet", "all", "--cores", "1", *targets,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(workflow / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--frames", type=int, default=200, help="rows per sequence")
    parser.add_argument("--workflow", type=Path, default=ROOT, help="a copy to compare with")
    parser.add_argument("--scratch", type=Path, help="folder in which to write, then removed")
    arguments = parser.parse_args()
    print("seconds of `snakemake -n`")
    print(f"{'rows':>8} {'everything':>11} {'one chunk':>10} {'no chunk':>9}")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            write_scans(Path(folder), rows, arguments.frames)
            spent = measure(arguments.workflow.resolve(), Path(folder))
        print(f"{rows:>8} {spent[0]:>11.1f} {spent[1]:>10.1f} {spent[2]:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
