"""Commands that write or delete, on folders that hold what others own: is any of it changed?

    python benchmarks/hostile_folders.py                     # 500 random calls
    python benchmarks/hostile_folders.py --count 50 --seed 1

Each call meets a fresh folder: documents of a user, a build, one without its marker, a folder above
two builds, or one within a build; the build is damaged here and there, and has links, pipes and
other names of outside files in it, backups, other builds, files and stores of others. Everything
outside the build, and everything of others in it, is digested before and after. Exit status 1 where
a threshold is missed.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import zarr
from thresholds import Threshold, check
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.contexts import context
from support.folder_content import content
from support.small_results import KINDS, build_results

from affect4d import store
from affect4d.audit.journal import NAME as JOURNAL
from affect4d.cli import app
from affect4d.config.dataset import Settings
from affect4d.dataset import publish_dataset
from affect4d.pipeline.results_folder import claim_results
from affect4d.provenance.crate import write_crate
from affect4d.quarantine import BadInput
from affect4d.store.build_root import MARKER

FOLDERS = ("build", "build", "build", "without marker", "above", "within", "documents")
FOREIGN = ("note", "store", "backup", "part", "manifest", "lock", "folder")
NAMES = (".dataset.lock", ".registered.lock", JOURNAL, "audit.json", "dataset/notes.txt",
         "registered/.s1.zarr.lock", "neutrals/photos/images/x.png", "crate", "x.manifest.json",
         "registered/x.manifest.json", ".written-by-affect4d", "logs/audit.log")  # fmt: skip


class World:
    """A user's disk: documents, and a results folder with what others put into it."""

    def __init__(self, folder, template, rng):
        self.folder, self.template, self.rng, self.planted = folder, template, rng, set()
        documents = folder / "documents"
        (documents / "deeper").mkdir(parents=True)
        for name in ("letter.txt", "deeper/photo.jpg", ".letter.txt.lock", "scans.csv"):
            (documents / name).write_text(f"{name} of the user")
        zarr.save(documents / "mine.zarr", a=np.arange(4))
        self.kind = rng.choice(FOLDERS)
        root = folder / ("above/first" if self.kind == "above" else "results")
        shutil.copytree(template, root)
        if self.kind == "above":
            shutil.copytree(template, folder / "above/second")
        if self.kind == "without marker":
            (root / MARKER).unlink()
        self.damage(root)
        for _ in range(rng.randrange(4)):
            self.plant(root, documents)
        self.command = rng.choice(COMMANDS)
        self.target = {
            "above": folder / "above",
            "within": root / rng.choice(["registered", "synthesis", "neutrals/photos"]),
            "documents": documents,
        }.get(self.kind, root)
        claimed = self.kind == "without marker" and self.command not in (audit, invalidate, draft)
        self.root = root if self.kind == "build" or claimed else None

    def damage(self, root):
        """Damage some of the build's own files."""
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
        for path in self.rng.sample(files, self.rng.randrange(4)):
            size = path.stat().st_size
            if self.rng.random() < 0.5:
                path.unlink()
            else:
                os.truncate(path, size // 2)

    def plant(self, root, documents):
        """Put something of others into the build: where nothing is, or in a file's place."""
        rng, kind = self.rng, self.rng.choice((*FOREIGN, "link", "link", "hard link", "pipe"))
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
        path = root / rng.choice(NAMES) if rng.random() < 0.5 else rng.choice(files)
        if path.is_symlink() or any(parent.is_symlink() for parent in path.parents):
            return
        if path.exists():
            if kind in FOREIGN or path.is_dir():
                path = path.with_name(f"{path.name}-of-others")
            else:
                path.unlink()
        if os.path.lexists(path) or (path.parent.exists() and not path.parent.is_dir()):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        made = self.make(kind, path, documents).relative_to(self.folder)
        if kind != "hard link":  # the file outside counts; this name of it is in the build's place
            self.planted.add(made)

    def make(self, kind, path, documents):
        """Make one such thing; returns where."""
        if kind == "store":
            path = path.with_name(f"{path.name}.zarr")
            zarr.save(path, a=np.arange(4))
        elif kind == "backup":
            shutil.copytree(self.template / "registered", path)
        elif kind == "part":
            path = path.with_name(f"{path.name}-copy.zarr")
            shutil.copytree(self.template / "registered/s2.zarr", path)
        elif kind == "manifest":
            path = path.with_name(f"{path.name}.manifest.json")
            path.write_text('{"name": "of another program"}')
        elif kind == "lock":
            path = path.with_name(f".{path.name}.lock")
            path.write_text("pid 17")
        elif kind == "folder":
            (path / "deeper").mkdir(parents=True)
            (path / "deeper/letter.txt").write_text("of the user")
        elif kind == "link":
            path.symlink_to(self.rng.choice([documents, documents / "letter.txt"]))
        elif kind == "hard link":
            path.hardlink_to(documents / "letter.txt")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_text("of the user")
        return path

    def protected(self):
        """All that no command may change, by path: what is outside the build or of others."""
        found = content(self.folder)
        if self.root is None:
            return found
        own = self.root.relative_to(self.folder)
        return {
            name: what
            for name, what in found.items()
            if not Path(name).is_relative_to(own)
            or any(Path(name).is_relative_to(planted) for planted in self.planted)
        }


def audit(world):
    return CliRunner().invoke(app, ["audit", str(world.target)])


def invalidate(world):
    return CliRunner().invoke(app, ["audit", str(world.target), "--invalidate", "--yes"])


def publish(world):
    chunks = [world.target / "synthesis/photos/000.zarr"]
    run = context(world.target, "dataset", inputs=tuple(map(store.manifest_of, chunks)))
    claim_results(world.target)
    publish_dataset(run, chunks, kinds=KINDS, settings=Settings())


def describe(world):
    snakefile = world.folder / "documents/letter.txt"
    claim_results(world.target)
    run = context(world.target, "crate", inputs=(world.target / "dataset.manifest.json",))
    write_crate(run, workflow=[snakefile], about=Settings(), engine="9")


def claim(world):
    claim_results(world.target)


def collect(world):
    claim_results(world.target)
    store.garbage_collect(world.target)


def write_store(world):
    claim_results(world.target)
    name = world.rng.choice(["registered/s1", "fits/photos/000", "blendshapes/atlas"])
    store.write(world.target / f"{name}.zarr", {"a": np.ones(3)})


def write_images(world):
    claim_results(world.target)
    folder = world.target / "neutrals/photos"
    with store.replace_folder(folder / "images", folder / "neutrals.manifest.json") as images:
        (images / "new.png").write_bytes(b"new")


def draft(world):
    out = world.folder / "documents" / world.rng.choice(["scans.csv", "letter.txt", "new.csv"])
    return CliRunner().invoke(app, ["gallery", "draft", str(world.target), "-o", str(out)])


COMMANDS = (
    audit, invalidate, invalidate, invalidate, publish, describe, claim, collect, write_store,
    write_images, draft,
)  # fmt: skip


def call(command, world):
    """How one call ended: done, the type of what refused it, or that of an exception."""
    try:
        done = command(world)
    except (store.StoreError, BadInput) as error:
        return f"refused ({type(error).__name__})"
    except Exception as error:
        return f"exception ({type(error).__name__}: {error})"
    if done is not None and done.exception and not isinstance(done.exception, SystemExit):
        return f"exception ({type(done.exception).__name__}: {done.exception})"
    return "done" if done is None else f"exit {done.exit_code}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ends, changed, unchecked = Counter(), [], 0
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "photo.jpg").write_bytes(b"jpeg")
        template = Path(scratch) / "template"
        build_results(template, Path(scratch) / "photo.jpg")
        for number in range(options.count):
            rng = random.Random(f"{options.seed}/{number}")
            world = World(Path(scratch) / "world", template, rng)
            command = world.command
            before = world.protected()
            end = call(command, world)
            after = world.protected()
            ends[world.kind, command.__name__, end.split(":")[0]] += 1
            different = {n for n in before if after.get(n) != before[n]}
            if world.root is None and command not in (claim, publish, describe):
                different |= after.keys() - before.keys() - {"documents/new.csv"}
            if different:
                changed.append((number, world.kind, command.__name__, sorted(different)[:3]))
            if end.startswith("exception"):
                unchecked += 1
                print(number, world.kind, command.__name__, end)
            shutil.rmtree(world.folder)
    for (kind, command, end), count in sorted(ends.items()):
        print(f"{count:4d}  {kind:14}  {command:12}  {end}")
    for line in changed:
        print("changed:", *line)
    return check(
        [
            Threshold("calls that changed what is not the build's", len(changed), 0),
            Threshold("calls that ended in an exception", unchecked, 0),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
