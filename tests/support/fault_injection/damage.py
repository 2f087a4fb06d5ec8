"""Files of a build damaged one at a time, and who notices: `verify`, the audit, a reader."""

import contextlib
import io
import itertools
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
from tqdm import tqdm

from affect4d import store
from affect4d.audit import audit_build
from affect4d.store.manifest import SUFFIX
from support import small_results

VERDICT = "audit.json"


def kind(name):
    """What kind of file a path relative to the results folder is."""
    if name.endswith(SUFFIX):
        return "manifest"
    if name.endswith("zarr.json"):
        return "zarr.json"
    if name == VERDICT:
        return "verdict"
    return "chunk" if ".zarr/" in name else Path(name).suffix.lstrip(".") or "no suffix"


def two_builds(folder):
    """Two builds of one layout from other photographs and annotations; their results folders."""
    moved = {
        index: (name, valence + 0.01, arousal - 0.01)
        for index, (name, valence, arousal) in small_results.CLASSES.items()
    }
    results = []
    for name, classes in (("this", small_results.CLASSES), ("other", moved)):
        (folder / name).mkdir()
        (folder / name / "photo.jpg").write_bytes(name.encode())
        results.append(folder / name / "results")
        with mock.patch.dict(small_results.CLASSES, classes):
            small_results.build_results(results[-1], folder / name / "photo.jpg")
    return results


@dataclass
class Found:
    """What was tried on a build, and what escaped whom.

    Attributes
    ----------
    tried : Counter of (damage, kind of file)
    unverified, unaudited : the (damage, file) that `verify`, or the audit, did not see
    misread : those with which a store could be read and gave other values
    """

    tried: Counter = field(default_factory=Counter)
    unverified: list = field(default_factory=list)
    unaudited: list = field(default_factory=list)
    misread: list = field(default_factory=list)

    @property
    def escaped(self):
        """Every damage that somebody missed."""
        return [*self.unverified, *self.unaudited, *self.misread]


class Drill:
    """A whole build on which one file after the other is damaged and put right again.

    Parameters
    ----------
    results : folder of a build; other : that of a build from other inputs, of the same layout
    """

    def __init__(self, results, other=None):
        self.results, self.other, self.found = Path(results), other, Found()
        self.files = sorted(
            path.relative_to(self.results).as_posix()
            for path in self.results.rglob("*")
            if path.is_file() and path.name not in {VERDICT, "report.html"}
        )
        self._owners = {}
        for name in self.files:
            if name.endswith(SUFFIX):
                manifest = store.read_manifest(self.results / name)
                self._owners[name] = name
                for file in manifest.files:
                    path = manifest.locate(file).relative_to(self.results.absolute())
                    self._owners.setdefault(path.as_posix(), name)
        self.files = [name for name in self.files if name in self._owners]
        stores = {path for name in self.files if (path := self._store(name))}
        self._values = {path: _values(path) for path in sorted(stores)}
        (self.results / VERDICT).write_bytes(store.canonical(_audited(self.results).record()))

    def flip(self, random, count):
        """Flip `count` single bits, in turn over the kinds of files; returns what escaped.

        One of each kind at a time, and no file with its manifest: `verify` and audit must name all.
        """
        every = [*self.files, VERDICT]
        kinds = sorted(set(map(kind, every)))
        bar = tqdm(total=count, desc="flips")
        while (left := count - bar.n) > 0:
            drawn = random.sample(kinds, len(kinds))[:left]
            names = {random.choice([n for n in every if kind(n) == wanted]) for wanted in drawn}
            names = sorted(name for name in names if self._owners.get(name) not in names - {name})
            self._flip_together(names, random)
            bar.update(len(names))
        return self.found

    def _flip_together(self, names, random):
        """Flip one bit in each file; of all of them `verify`, audit and readers must know."""
        before = {name: (self.results / name).read_bytes() for name in names}
        for name, content in before.items():
            flipped = bytearray(content)
            bit = random.randrange(8 * len(content))
            flipped[bit // 8] ^= 1 << bit % 8
            (self.results / name).write_bytes(flipped)
            self.found.tried["one bit", kind(name)] += 1
        try:
            problems = _audited(self.results).problems
            named = {place for problem in problems for place in (problem.file, problem.artifact)}
            for name in names:
                path = self._store(name)
                if name != VERDICT and not self._verify_names(name):
                    self.found.unverified.append(("one bit", name))
                if not named & {name, name.removesuffix(SUFFIX)}:
                    self.found.unaudited.append(("one bit", name))
                if path and not self._reads_true(path):
                    self.found.misread.append(("one bit", name))
        finally:
            for name, content in before.items():
                (self.results / name).write_bytes(content)

    def _verify_names(self, name):
        """Whether `verify` has a line on the file."""
        manifest, path = self.results / self._owners[name], self.results / name
        shown = (str(path), os.path.relpath(path, manifest.parent))
        return any(f"{place}: " in line for line in store.verify(manifest) for place in shown)

    def damage(self, names):
        """Damage each file in every way there is for it; returns what escaped."""
        for name in tqdm(names, desc="files"):
            size = (self.results / name).stat().st_size
            self._try("truncated", name, lambda path, size=size: os.truncate(path, size - 1))
            self._try("emptied", name, lambda path: os.truncate(path, 0))
            self._try("removed", name, Path.unlink)
            if (other := self._another(name)) is not None:
                self._try("swapped", name, lambda path, other=other: _swap(path, other), other)
            if (content := self._of_other(name)) is not None:
                self._try("of another build", name, lambda path, new=content: path.write_bytes(new))
        return self.found

    def _another(self, name):
        """Another file of the kind, with other content and of the same size where there is one."""
        here = (self.results / name).read_bytes()
        others = [self.results / n for n in self.files if kind(n) == kind(name) and n != name]
        others.sort(key=lambda path: abs(path.stat().st_size - len(here)))
        return next((path for path in others if path.read_bytes() != here), None)

    def _of_other(self, name):
        there = self.other and Path(self.other) / name
        if not there or not there.is_file():
            return None
        content = there.read_bytes()
        return content if content != (self.results / name).read_bytes() else None

    def _try(self, damage, name, spoil, also=None):
        """Spoil a file, and `also` another, see who notices, and put them right."""
        path = self.results / name
        content = path.read_bytes()
        before = {file: file.read_bytes() for file in (path, also) if file}
        if not content and damage != "removed":
            return
        spoil(path)
        self.found.tried[damage, kind(name)] += 1
        try:
            # the verdict has no manifest: it is the audit's to see
            owner = self._owners.get(name)
            if owner and self._is_damage(path, content) and not store.verify(self.results / owner):
                self.found.unverified.append((damage, name))
            self._look(damage, name, {self._store(file) for file in before})
        finally:
            for file, whole in before.items():
                file.write_bytes(whole)

    def swap_artifacts(self):
        """Swap every two stores of one stage, data and manifests; returns what escaped."""
        for first, second in itertools.combinations(self._values, 2):
            if first.parent == second.parent:
                pairs = [(first, second), tuple(map(store.manifest_of, (first, second)))]
                for pair in pairs:
                    _exchange(*pair)
                try:
                    self.found.tried["swapped whole", "store"] += 1
                    self._look("swapped whole", first.name, (first, second))
                finally:
                    for pair in pairs:
                        _exchange(*pair)
        return self.found

    def _look(self, damage, name, stores):
        """Whether the audit sees the damage, and whether these stores give true values or none."""
        if _audited(self.results).exit_code != 1:
            self.found.unaudited.append((damage, name))
        if not all(self._reads_true(path) for path in stores if path):
            self.found.misread.append((damage, name))

    def _is_damage(self, path, before):
        """Whether any data are wrong: another build's manifest may list these very files.

        Then only the lineage is wrong, which is the audit's to see.
        """
        try:
            now = json.loads(path.read_bytes())["files"]
            return now != json.loads(before)["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def _store(self, file):
        """The store to which a file belongs, if there is one."""
        name = Path(file).relative_to(self.results) if Path(file).is_absolute() else file
        owner = self._owners.get(str(name))
        path = owner and self.results / f"{owner.removesuffix(SUFFIX)}.zarr"
        return path if path and path.is_dir() else None

    def _reads_true(self, path):
        """Whether a store gives its true values or none."""
        try:
            return _values(path) == self._values[path]
        except store.StoreError:
            return True


def _audited(results):
    """The verdict, without a bar."""
    with contextlib.redirect_stderr(io.StringIO()):
        return audit_build(results)


def _swap(first, second):
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def _exchange(first, second):
    """Two files or folders take each other's name."""
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def _values(path):
    """Every array of a store, as bytes."""
    opened = store.open(path)
    return {name: np.asarray(opened[name][...]).tobytes() for name in opened}
