"""Forgeries that an audit must find: data changed, and all manifests rewritten consistently.

    python benchmarks/forgeries.py --results results      # of a complete build; it is not changed

Each forgery is made in a copy of the build and looked for in three ways: by the checks of
`affect4d audit`, by a replay of one of the forged parts (does it come out otherwise?), and by the
seal of the owner. The probability that `--replay N` draws a forged part is given by the formula,
and measured as the share of random draws that hold one. Exit status 1 where a forgery passes the
seal, passes checks and replay, or where formula and draws differ by more than four standard errors.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from forgeries_data import Forgery, forgeries
from support.rewritten_manifests import rewrite_manifests
from thresholds import Threshold, check

from affect4d import audit
from affect4d.audit.draw import Part, detection_probability, draw_parts, list_parts
from affect4d.audit.seal import check_seal
from affect4d.provenance.lineage import load_build
from affect4d.provenance.planned_jobs import plan_jobs

COUNTS = (10, 20, 50, 100)  # parts that are drawn
DRAWS = 2000
SMALL_BYTES = 200_000  # files above are shared with the original: forgeries replace them


def copy_build(results: Path, target: Path) -> Path:
    """A copy whose large files are shared: what forges replaces files and writes to none."""

    def copy(source: str, destination: str) -> None:
        if Path(source).stat().st_size > SMALL_BYTES and not source.endswith(".json"):
            Path(destination).hardlink_to(source)
        else:
            shutil.copy2(source, destination)

    return Path(shutil.copytree(results, target, copy_function=copy))


def look(forgery: Forgery, results: Path, keys: Path) -> dict[str, object]:
    """Make a forgery in a copy and look for it."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=results.parent) as folder:
        root = copy_build(results, Path(folder) / "results")
        if forgery.forge:
            forgery.forge(root)
        rewrite_manifests(root, forgery.edit)
        verdict = audit.audit_build(root, plan=True)
        # the copy's seal is broken in any case, and is asked for itself below
        problems = [problem for problem in verdict.problems if problem.artifact != "seal"]
        notes = [note for note in verdict.notes if "made with other versions" in note]
        build = load_build(root)
        parts = list_parts(build, plan_jobs(root))
        forged = [part for part in parts if part.name.startswith(forgery.parts)]
        replayed = audit.replay_build(root, audit.Verdict(), forged[0].name, say=lambda text: None)
        obstacle = any("cannot be replayed:" in note for note in replayed.notes)
        seal = list(check_seal(build, keys / "signers"))
        first = next(map(str, problems), "".join(notes[:1]))
    return {
        "forgery": forgery.name,
        "checks": "found" if problems else "noted" if notes else "-",
        "replay": "found" if replayed.problems else "cannot" if obstacle else "-",
        "seal": "found" if seal else "-",
        "s": round(time.monotonic() - start),
        "first finding": first[:100],
    }


def probabilities(parts: list[Part], stratum: str, forged: int) -> list[tuple[int, float, float]]:
    """(parts drawn, probability by the formula, share of draws) of finding a forgery."""
    sizes = {name: sum(p.stratum == name for p in parts) for name in {p.stratum for p in parts}}
    names = {part.name for part in [p for p in parts if p.stratum == stratum][:forged]}
    found = []
    for count in COUNTS:
        drawn = (draw_parts(parts, count, seed) for seed in range(DRAWS))
        share = np.mean([any(part.name in names for part in draw) for draw in drawn])
        found.append((count, detection_probability(sizes, stratum, forged, count=count), share))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--only", type=int, nargs="*", help="numbers of forgeries, from 0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.results.resolve().parent) as folder:
        keys = Path(folder)
        arguments = ["-q", "-t", "ed25519", "-N", "", "-f", str(keys / "key")]
        subprocess.run(["ssh-keygen", *arguments], check=True)
        public = (keys / "key.pub").read_text()
        (keys / "signers").write_text(f'owner namespaces="affect4d-build" {public}')
        sealed = copy_build(options.results, keys / "results")
        audit.seal_build(sealed, keys / "key")
        verdict = audit.audit_build(sealed, plan=True, signers=keys / "signers")
        if not verdict.intact:
            print(verdict.text())
            return 1
        made = forgeries(sealed)
        chosen = range(len(made)) if options.only is None else options.only
        rows = []
        for number in chosen:
            rows.append(look(made[number], sealed, keys))
            print(json.dumps(rows[-1]), flush=True)
        parts = list_parts(load_build(sealed), plan_jobs(sealed))
    print("\n" + pd.DataFrame(rows).to_string(index=False))
    curves = {
        (stratum, forged): probabilities(parts, stratum, forged)
        for stratum in sorted({part.stratum for part in parts})
        for forged in (1, 10)
        if forged <= sum(part.stratum == stratum for part in parts)
    }
    errors = []
    print(f"\n{len(parts)} parts; probability that --replay N draws a forged one: formula (draws)")
    for (stratum, forged), points in curves.items():
        shown = ", ".join(f"{n}: {p:.2f} ({q:.2f})" for n, p, q in points)
        print(f"  {stratum}, {forged} forged: {shown}")
        errors += [abs(p - q) / max(np.sqrt(p * (1 - p) / DRAWS), 1 / DRAWS) for _, p, q in points]
    return check(
        [
            Threshold("forgeries that pass the seal", sum(r["seal"] != "found" for r in rows), 0),
            Threshold(
                "forgeries that pass checks, notes and replay",
                sum(r["checks"] == "-" and r["replay"] == "-" for r in rows),
                0,
            ),
            Threshold("standard errors between formula and draws", max(errors), 4),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
