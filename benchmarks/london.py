"""The Face Research Lab London Set through the whole chain: a table of counts.

    python benchmarks/london.py --faces /data/london                    # from the beginning
    python benchmarks/london.py --faces /data/london --results built    # in a build that there is
    python benchmarks/london.py --faces /data/london --results built --counts-only

Snakemake builds the dataset, the report and everything before of the embedded gallery with the set
as one database more, of which every person may be used. A build that there is, by the default
configuration, is gone on with: what the set adds is made, whatever the code that made the rest.
Exit status 1 where a person of the set is neither used nor refused with a reason, or the audit
finds a fault.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

from affect4d import store
from affect4d.neutrals.scores import Scores

ROOT = Path(__file__).parents[1]
DATABASE = "london"


def build(faces, results, *, is_begun):
    """Run Snakemake with the set as a database."""
    database = {"adapter": "london", "root": str(faces.resolve())}
    people = len({path.name[:3] for path in faces.rglob("[0-9]*_03.jpg")})
    config = {
        "results": str(results.resolve()),
        "neutrals": {"max_images": people, "databases": {DATABASE: database}},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", file.name]
        command += ["--rerun-triggers", "mtime"] if is_begun else []
        subprocess.run([*command, "--quiet"], cwd=ROOT, check=True)


def count(results):
    """What became of the people, stage by stage; prints a table, gives those without a reason."""
    folder = results / "neutrals" / DATABASE
    candidates = pd.read_parquet(folder / "candidates.parquet")
    accepted = pd.read_csv(folder / "accepted.csv", dtype=str, keep_default_na=False)
    fits = pd.concat(map(read_fits, sorted((results / "fits" / DATABASE).glob("*.zarr"))))
    made = pd.concat(
        pd.read_parquet(path) for path in sorted((results / "dataset/data").glob("*.parquet"))
    )
    made = made[(made["database"] == DATABASE) & (made["class"] >= 0)]
    gates = [name for name in fits if name.startswith("gate_") and fits[name].any()]
    rows = {
        "images found": len(candidates),
        "people": candidates["subject_id"].nunique(),
        "neutral": int(candidates["is_neutral"].sum()),
        "accepted": len(accepted),
        "fitted": len(fits),
        "fits used": int(fits["accepted"].sum()),
        **{f"  {name}": int(fits[name].sum()) for name in gates},
        "people with images": made["subject"].nunique(),
        "images in the dataset": len(made),
        "images per person": round(len(made) / max(made["subject"].nunique(), 1), 1),
        "classes": made["class"].nunique(),
    }
    print("| stage | count |\n|---|---|")
    print("\n".join(f"| {name} | {number} |" for name, number in rows.items()))
    print_scores(candidates[candidates["accepted"]])
    unused = candidates[candidates["is_neutral"] & ~candidates["accepted"]]
    print(*(f"{row.image_id}: {row.reason}" for row in unused.itertuples()), sep="\n")
    return int((unused["reason"] == "").sum())


def print_scores(used):
    """Median, least and greatest of each measure of the faces that are used."""
    print("| measure | median | least | greatest |\n|---|---|---|---|")
    for name in Scores._fields:
        if name in used and used[name].notna().any():
            figures = [f"{value:.3g}" for value in used[name].quantile([0.5, 0, 1])]
            print(f"| {name} | {' | '.join(figures)} |")


def read_fits(path):
    """The measures of a chunk's fits."""
    chunk = store.open(path)
    return pd.DataFrame(chunk["quality"][...], columns=chunk.attributes["quality"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("build/london"))
    parser.add_argument("--counts-only", action="store_true")
    options = parser.parse_args()
    if not options.counts_only:
        build(options.faces, options.results, is_begun=options.results.exists())
    unexplained = count(options.results)
    audit = json.loads((options.results / "audit.json").read_text())
    print(f"audit: {'whole' if audit['whole'] else 'faults'}; {options.results / 'report.html'}")
    return int(bool(unexplained) or not audit["whole"])


if __name__ == "__main__":
    sys.exit(main())
