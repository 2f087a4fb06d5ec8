"""Injected faults: is anything invalid ever visible, and is every change detected?

    python benchmarks/faults.py                    # all but the build, about ten minutes
    python benchmarks/faults.py kills damage --kills 300 --flips 1000
    python benchmarks/faults.py build               # a complete small build, killed and resumed

kills: processes that write a store of 4 frames of 53,215 vertices, a table and a folder die by
SIGKILL, every other one at a chosen stage of the commit, which the interpreter's audit events name.
disk: writers to a tmpfs that becomes full at every page, and to one mounted read-only. damage:
single bits, and files cut, emptied, removed, swapped, taken from another build. writers: three at
the same time, with a garbage collector. build: all processes of `snakemake` die at random moments,
then `snakemake --unlock` and `snakemake`. Exit status 1 where a threshold is missed.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("tests", "tests/workflow"))

# Every writer imports this program: what only one drill needs is imported there.
from thresholds import Threshold, check

VERTICES, FRAMES = 53_215, 4


def kills(folder, options):
    """Writers killed: raises where a reader sees anything invalid."""
    import numpy as np
    from support.fault_injection.kills import inside, kill_writers

    from affect4d import store

    rng = np.random.default_rng(options.seed)
    face = rng.normal(0, 60, (VERTICES, 3)).astype(np.float32)
    noise = rng.normal(0, 0.1, (FRAMES, VERTICES, 3)).astype(np.float32)
    died = kill_writers(folder, options.kills, options.seed, face + noise)
    print("killed at", ", ".join(f"{stage} {count}" for stage, count in died.items()))
    store.garbage_collect(folder)
    left = [path for path in folder.iterdir() if path.name.startswith(".")]
    return [
        Threshold("kill -9 of a writer", died.total(), options.kills, at_least=True),
        Threshold("of them inside the commit", inside(died), options.kills / 3, at_least=True),
        Threshold("temporaries and locks left after garbage collection", len(left), 0),
    ]


def disk(folder, options):
    """Full and read-only disks."""
    from support.fault_injection import disks
    from support.fault_injection.kills import KINDS, visible_version, write_version

    from affect4d import store

    messages = []
    with disks.small_disk(folder / "full", 2**22) as mounted:
        print("full disk:", "tmpfs of 4 MB" if mounted else "RLIMIT_FSIZE (no right to mount)")
        if mounted:
            messages += [line for kind in KINDS for line in disks.fill_up(mounted, kind)]
        else:
            (folder / "limited").mkdir()
            for kind in KINDS:
                write_version(folder / "limited", kind, 1)
            messages += disks.write_limited(folder / "limited", 512)
    refused = 0
    (folder / "fixed").mkdir()
    for kind in KINDS:
        write_version(folder / "fixed", kind, 1)
    with disks.read_only(folder / "fixed") as why:
        print("read-only folder:", why or "no right to mount")
        for kind in ("store", "folder"):
            with contextlib.suppress(store.StoreError):
                write_version(folder / "fixed", kind, 2)
                refused -= 1
            refused += visible_version(folder / "fixed", kind) == 1
    clear = sum("; " in line and "\n" not in line for line in messages)
    return [
        Threshold(
            "writers that met a full disk", len(messages), 10 if mounted else 1, at_least=True
        ),
        Threshold("of them with other than one line and a remedy", len(messages) - clear, 0),
        Threshold("old versions intact on a read-only disk", refused, 2, at_least=True),
    ]


def damage(folder, options):
    """Bits flipped, files damaged."""
    from support.fault_injection.damage import Drill, two_builds

    drill = Drill(*two_builds(folder))
    found = drill.flip(random.Random(options.seed), options.flips)
    drill.damage(drill.files)
    drill.swap_artifacts()
    for kind in sorted({kind for _, kind in found.tried}):
        tried = {damage: n for (damage, of), n in found.tried.items() if of == kind}
        print(f"{kind}:", ", ".join(f"{damage} {n}" for damage, n in tried.items()))
    flips = sum(n for (damage, _), n in found.tried.items() if damage == "one bit")
    return [
        Threshold("single bits flipped", flips, options.flips, at_least=True),
        Threshold(
            "files otherwise damaged", found.tried.total() - flips, len(drill.files), at_least=True
        ),
        Threshold("changes that verify missed", len(found.unverified), 0),
        Threshold("changes that the audit missed", len(found.unaudited), 0),
        Threshold("stores that gave other values", len(found.misread), 0),
    ]


def writers(folder, options):
    """Three writers of the same artifacts, and a garbage collector."""
    from support.fault_injection.writers import race

    outcome = race(folder, options.rounds)
    unclear = [line for line in outcome.refused if "is being written by process" not in line]
    print(f"{len(outcome.committed)} versions committed, {len(outcome.refused)} refused")
    return [
        Threshold("second writers refused", len(outcome.refused), 1, at_least=True),
        Threshold("refusals that do not name the first", len(unclear), 0),
        Threshold("writers or versions broken", len(outcome.broken), 0),
    ]


def build(folder, options):
    """A complete small build, killed and resumed, and an undisturbed one."""
    from killed_builds import build_with_kills, manifests
    from workflow_tree import Tree

    trees = [Tree(folder / name) for name in ("undisturbed", "killed")]
    start = time.monotonic()
    trees[0].snakemake(cores=1)
    seconds, total = time.monotonic() - start, len(manifests(trees[0]))
    print(f"undisturbed: {total} artifacts in {seconds:.0f} s", flush=True)
    seen = build_with_kills(trees[1], options.build_kills, total, seed=options.seed)
    print(f"artifacts at each kill: {seen.artifacts}; jobs running at {seen.at_work} of them")
    return [
        Threshold("kills of the build", len(seen.artifacts), options.build_kills, at_least=True),
        Threshold("artifacts seen invalid after a kill", len(seen.invalid), 0),
        Threshold("processes that outlived a kill", seen.survivors, 0),
        Threshold("other SHA256SUMS", trees[0].checksums() != trees[1].checksums(), 0),
        Threshold("exit status of the audit", _audit(trees[1]), 0),
    ]


def _audit(tree):
    done = tree.affect4d("audit", "results", check=False)
    print(done.stdout.strip())
    return done.returncode


DRILLS = {"kills": kills, "disk": disk, "damage": damage, "writers": writers, "build": build}


def main():
    usage = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usage.add_argument("drills", nargs="*", choices=[[], *DRILLS], help="all but build if absent")
    usage.add_argument("--kills", type=int, default=300, help="writers killed")
    usage.add_argument("--flips", type=int, default=1000, help="bits flipped")
    usage.add_argument("--rounds", type=int, default=200, help="versions a writer tries")
    usage.add_argument("--build-kills", type=int, default=20, help="kills of the build")
    usage.add_argument("--seed", type=int, default=0)
    options = usage.parse_args()
    thresholds = []
    for name in options.drills or [name for name in DRILLS if name != "build"]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            thresholds += DRILLS[name](Path(folder), options)
        print(f"{name}: {time.monotonic() - start:.0f} s\n", flush=True)
    return check(thresholds)


if __name__ == "__main__":
    raise SystemExit(main())
