"""Why an artifact differs between two builds: what is its own doing, and what it inherits.

Its own are settings, code, versions of packages and files from outside; what other artifacts hand
down is followed to theirs. A changed manifest alone changes nothing: only bytes count.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from affect4d.config.project import Project
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest, canonical
from affect4d.store.manifest import SUFFIX

UNSET = "not set"
# A digest among the settings stands for data that the manifest does not name as an input.
_DIGEST = re.compile(r"[0-9a-f]{16,64}")
_SECTIONS = frozenset(Project.model_fields)


@dataclass(frozen=True, order=True)
class Cause:
    """One difference: its kind, what it concerns, old and new value as text.

    `kind` is input, setting, code, version or unexplained: same inputs, settings, code and
    versions, yet other bytes.
    """

    kind: str
    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Pair:
    """Two builds side by side; `skip` holds rules whose artifacts are left out."""

    old: Build
    new: Build
    skip: frozenset[str] = frozenset()

    @cached_property
    def status(self) -> dict[str, str]:
        """Every manifest of either build: same, changed, removed or added."""
        found = {}
        for name in sorted({*self.old.manifests, *self.new.manifests}):
            builds = [b for b in (self.old, self.new) if name in b.manifests]
            if builds[0].manifests[name].rule in self.skip:
                continue
            if len(builds) == 1:
                found[name] = "removed" if builds[0] is self.old else "added"
            else:
                same = self._content(name, 0) == self._content(name, 1)
                found[name] = "same" if same else "changed"
        return found

    @cached_property
    def own(self) -> dict[str, tuple[Cause, ...]]:
        """What differs in the making of each manifest that both builds have."""
        return {name: tuple(self._own(name)) for name in self.both}

    @cached_property
    def roots(self) -> dict[str, frozenset[Cause]]:
        """The causes behind every manifest that is not the same: its own and all inherited."""
        roots: dict[str, frozenset[Cause]] = {}
        for name, status in self.status.items():
            if status != "same":
                self._find_roots(name, roots)
        return roots

    def _find_roots(self, name: str, roots: dict[str, frozenset[Cause]]) -> frozenset[Cause]:
        if name not in roots:
            roots[name] = frozenset()  # ends a circle, should a damaged build have one
            own = set(self.own.get(name, ()))
            if self.status[name] != "changed":
                own.update(cause for job in self._jobs(name) for cause in self.own.get(job, ()))
            handed = [self._find_roots(above, roots) for above in self._changed_sources(name)]
            found = frozenset(own).union(*handed)
            if not found and self.status[name] == "changed":
                found = frozenset(self._exchanged(name)) or frozenset({_unexplained(name)})
            roots[name] = found
        return roots[name]

    def _changed_sources(self, name: str) -> list[str]:
        """What an artifact was built from and is not the same any more, at one remove."""
        found: dict[str, None] = {}
        for build in (self.old, self.new):
            for path, source in self._sources(build, name):
                if self._differs(source) and (path == source or self._file_differs(path)):
                    found[source] = None
        if self.status[name] != "changed" or name in self.digests:
            found |= dict.fromkeys(self._sources_of_job(name))
        found.pop(name, None)
        return list(found)

    def _exchanged(self, name: str) -> Iterator[Cause]:
        """Inputs that are the same on both sides, but this artifact's on one side only."""
        old, new = (set(build.manifests[name].inputs) for build in (self.old, self.new))
        for path in sorted(old - new):
            yield Cause("input", path, "an input", "no input")
        for path in sorted(new - old):
            yield Cause("input", path, "no input", "an input")

    def _sources(self, build: Build, name: str) -> Iterator[tuple[str, str]]:
        """The inputs of a manifest, and the manifest that each belongs to; then what it lists."""
        if name not in build.manifests:
            return
        for path in build.manifests[name].inputs:
            yield path, path if path.endswith(SUFFIX) else build.owners.get(path, ("",))[0]
        yield from ((path, path) for path in build.listed(name) if path.endswith(SUFFIX))

    def _jobs(self, name: str) -> list[str]:
        """The manifests of the jobs that made `name` as one of several."""
        return [
            job
            for build in (self.old, self.new)
            for job in build.users.get(name, ())
            if name in build.manifests and build.manifests[job].rule == build.manifests[name].rule
        ]

    def _sources_of_job(self, name: str) -> list[str]:
        """The inputs of those jobs that are not the same any more."""
        return [
            source
            for job in self._jobs(name)
            for build in (self.old, self.new)
            if job in build.manifests
            for source in build.manifests[job].inputs
            if self._differs(source)
        ]

    @cached_property
    def digests(self) -> dict[str, tuple[Cause, ...]]:
        """The digests among the settings that differ, by manifest."""
        found = {}
        for name in self.both:
            sides = [dict(_flat(b.manifests[name].settings)) for b in (self.old, self.new)]
            if causes := tuple(c for c in _settings(*sides) if _is_digest(c)):
                found[name] = causes
        return found

    @cached_property
    def both(self) -> list[str]:
        """The manifests that both builds have."""
        return [name for name, status in self.status.items() if status in ("same", "changed")]

    def _own(self, name: str) -> Iterator[Cause]:
        old, new = self.old.manifests[name], self.new.manifests[name]
        flat = dict(_flat(old.settings)), dict(_flat(new.settings))
        # Where the data that a digest stands for differ in this very build, they are the cause.
        handed_down = name in self.digests and bool(self._sources_of_job(name))
        yield from (c for c in _settings(*flat) if not (handed_down and _is_digest(c)))
        if old.code != new.code:
            yield Cause("code", f"of rule {new.rule}", old.code, new.code)
        for package, *versions in _differing(old.versions, new.versions):
            yield Cause("version", package, *versions)
        yield from _outside(self._outside(self.old, old), self._outside(self.new, new))

    def _outside(self, build: Build, manifest: Manifest) -> dict[str, str]:
        """The inputs that no artifact of the build provides."""
        return {
            path: sha256
            for path, sha256 in manifest.inputs.items()
            if path not in build.owners and not path.endswith(SUFFIX)
        }

    def _differs(self, name: str) -> bool:
        return self.status.get(name, "same") != "same"

    def _file_differs(self, path: str) -> bool:
        sides = [b.owners.get(path, ("", ""))[1] for b in (self.old, self.new)]
        return sides[0] != sides[1]

    def _content(self, name: str, side: int) -> bytes:
        """The digest of an artifact's files; a listed manifest counts by what it lists."""
        cache = self._contents[side]
        if name not in cache:
            build = (self.old, self.new)[side]
            cache[name] = b""  # ends a circle, should a damaged build have one
            digest = hashlib.sha256()
            for path, file in zip(build.listed(name), build.manifests[name].files, strict=True):
                part = path in build.manifests and path.endswith(SUFFIX)
                what = self._content(path, side).hex() if part else file.sha256
                digest.update(f"{file.path}\0{what}\n".encode())
            cache[name] = digest.digest()
        return cache[name]

    @cached_property
    def _contents(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        return {}, {}


def _unexplained(name: str) -> Cause:
    return Cause("unexplained", name.removesuffix(SUFFIX), "some bytes", "other bytes")


def _is_digest(cause: Cause) -> bool:
    """Whether a setting is the digest of data, such as the rows of a table."""
    values = [value for value in (cause.old, cause.new) if value != UNSET]
    return cause.name not in _SECTIONS and all(_DIGEST.fullmatch(value) for value in values)


def _settings(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Cause]:
    for key, *values in _differing(old, new):
        yield Cause("setting", key, *values)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The keys whose values differ, with both values as text."""
    for key in sorted({*old, *new}):
        values = [_text(side[key]) if key in side else UNSET for side in (old, new)]
        if values[0] != values[1]:
            yield key, values[0], values[1]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested settings with their dotted paths; a list is a leaf."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flat(below, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, value


def _outside(old: dict[str, str], new: dict[str, str]) -> Iterator[Cause]:
    """The outside files that differ; one that only moved does not."""
    gone = {path: sha for path, sha in old.items() if new.get(path) != sha}
    come = {path: sha for path, sha in new.items() if old.get(path) != sha}
    for path in sorted(set(gone) & set(come)):
        yield Cause("input", path, _short(gone.pop(path)), _short(come.pop(path)))
    for path in sorted(gone):
        moved = sorted(other for other, sha in come.items() if sha == gone[path])
        if moved:
            come.pop(moved[0])
            gone.pop(path)
    by_name = {Path(path).name: path for path in sorted(come)}
    for path in sorted(gone):
        other = by_name.pop(Path(path).name, None)
        if other is None:
            yield Cause("input", path, _short(gone[path]), UNSET)
        else:
            yield Cause("input", other, f"{path} {_short(gone[path])}", _short(come.pop(other)))
    for path in sorted(come):
        yield Cause("input", path, UNSET, _short(come[path]))


def _short(sha256: str) -> str:
    return sha256[:16]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else canonical(value).decode().strip()
