"""Why an artifact differs between two builds: its own causes, and those it inherits.

Its own are settings, code, versions of packages and files from outside; what other artifacts hand
down is traced back to theirs. A changed manifest alone changes nothing: only bytes count.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from affect4d.config.project import Project
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest, canonical
from affect4d.store.manifest import SUFFIX

UNSET = "not set"
# A digest among the settings represents data that the manifest does not name as an input.
_DIGEST = re.compile(r"[0-9a-f]{16,64}")
_DIGEST_SHOWN = 16  # characters of a sha256 that are shown
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
class BuildPair:
    """Two builds to compare; `skip` holds rules whose artifacts are left out."""

    old: Build
    new: Build
    skip: frozenset[str] = frozenset()
    _contents: dict[tuple[str, bool], bytes] = field(default_factory=dict, compare=False)

    @property
    def builds(self) -> tuple[Build, Build]:
        """The old build and the new one."""
        return self.old, self.new

    @cached_property
    def status(self) -> dict[str, str]:
        """Every manifest of either build: same, changed, removed or added."""
        status = {}
        for name in sorted({*self.old.manifests, *self.new.manifests}):
            builds = [build for build in self.builds if name in build.manifests]
            if builds[0].manifests[name].rule in self.skip:
                continue
            if len(builds) == 1:
                status[name] = "removed" if builds[0] is self.old else "added"
            else:
                same = self._content(name, new=False) == self._content(name, new=True)
                status[name] = "same" if same else "changed"
        return status

    @cached_property
    def in_both(self) -> list[str]:
        """The manifests that both builds have."""
        return [name for name, status in self.status.items() if status in ("same", "changed")]

    @cached_property
    def own(self) -> dict[str, tuple[Cause, ...]]:
        """What differs in the recorded provenance of each manifest that both builds have."""
        return {name: tuple(self._own(name)) for name in self.in_both}

    @cached_property
    def roots(self) -> dict[str, frozenset[Cause]]:
        """The causes behind every manifest that is not the same: its own and all inherited."""
        roots: dict[str, frozenset[Cause]] = {}
        for name, status in self.status.items():
            if status != "same":
                self._find_roots(name, roots)
        return roots

    def _find_roots(self, name: str, roots: dict[str, frozenset[Cause]]) -> frozenset[Cause]:
        if name in roots:
            return roots[name]
        roots[name] = frozenset()  # ends a circle, should a damaged build have one
        causes = set(self.own.get(name, ()))
        if self.status[name] != "changed":
            causes.update(cause for job in self._jobs(name) for cause in self.own.get(job, ()))
        for source in self._changed_sources(name):
            causes |= self._find_roots(source, roots)
        if not causes and self.status[name] == "changed":
            causes = set(self._exchanged(name)) or {_unexplained(name)}
        roots[name] = frozenset(causes)
        return roots[name]

    def _changed_sources(self, name: str) -> list[str]:
        """What an artifact was built from and is not the same any more, at one remove."""
        changed: dict[str, None] = {}
        for build in self.builds:
            for path, source in self._sources(build, name):
                if self._differs(source) and (path == source or self._file_differs(path)):
                    changed[source] = None
        if self.status[name] != "changed" or name in self.digests:
            changed |= dict.fromkeys(self._sources_of_job(name))
        changed.pop(name, None)
        return list(changed)

    def _exchanged(self, name: str) -> Iterator[Cause]:
        """Inputs that are the same on both sides, but this artifact's on one side only."""
        old, new = (set(build.manifests[name].inputs) for build in self.builds)
        for path in sorted(old - new):
            yield Cause("input", path, "an input", "no input")
        for path in sorted(new - old):
            yield Cause("input", path, "no input", "an input")

    def _sources(self, build: Build, name: str) -> Iterator[tuple[str, str]]:
        """The inputs of a manifest, and the manifest that each belongs to; then what it lists."""
        if name in build.manifests:
            yield from ((path, build.owner(path)) for path in build.manifests[name].inputs)
            yield from ((path, path) for path in build.listed(name) if path.endswith(SUFFIX))

    def _jobs(self, name: str) -> list[str]:
        """The manifests of the jobs that made `name` as one of several, or used it."""
        return [
            job
            for build in self.builds
            for job in build.users.get(name, ())
            if name in build.manifests and build.manifests[job].rule == build.manifests[name].rule
        ]

    def _sources_of_job(self, name: str) -> list[str]:
        """The inputs of those jobs that are not the same any more."""
        return [
            source
            for job in self._jobs(name)
            for build in self.builds
            if job in build.manifests
            for source in build.manifests[job].inputs
            if self._differs(source)
        ]

    @cached_property
    def digests(self) -> frozenset[str]:
        """The manifests with a digest among the settings that differs."""
        return frozenset(
            name for name in self.in_both if any(map(_is_digest, self._changed_settings(name)))
        )

    def _changed_settings(self, name: str) -> list[Cause]:
        old, new = (dict(_flatten(build.manifests[name].settings)) for build in self.builds)
        return [Cause("setting", *difference) for difference in _differing(old, new)]

    def _own(self, name: str) -> Iterator[Cause]:
        # Where the data that a digest represents differ in this very build, they are the cause.
        inherited = name in self.digests and bool(self._sources_of_job(name))
        for cause in self._changed_settings(name):
            if not (inherited and _is_digest(cause)):
                yield cause
        old, new = (build.manifests[name] for build in self.builds)
        if old.code != new.code:
            yield Cause("code", f"of rule {new.rule}", old.code, new.code)
        for package, *versions in _differing(old.versions, new.versions):
            yield Cause("version", package, *versions)
        yield from _changed_outside(_outside(self.old, old), _outside(self.new, new))

    def _differs(self, name: str) -> bool:
        return self.status.get(name, "same") != "same"

    def _file_differs(self, path: str) -> bool:
        old, new = (build.owners.get(path, ("", ""))[1] for build in self.builds)
        return old != new

    def _content(self, name: str, *, new: bool) -> bytes:
        """The digest of an artifact's files; a listed manifest counts by what it lists."""
        if (name, new) not in self._contents:
            build = self.builds[new]
            self._contents[name, new] = b""  # ends a circle, should a damaged build have one
            digest = hashlib.sha256()
            for path, file in zip(build.listed(name), build.manifests[name].files, strict=True):
                part = path in build.manifests and path.endswith(SUFFIX)
                content = self._content(path, new=new).hex() if part else file.sha256
                digest.update(f"{file.path}\0{content}\n".encode())
            self._contents[name, new] = digest.digest()
        return self._contents[name, new]


def _unexplained(name: str) -> Cause:
    return Cause("unexplained", name.removesuffix(SUFFIX), "some bytes", "other bytes")


def _is_digest(cause: Cause) -> bool:
    """Whether a setting is the digest of data, such as the rows of a table."""
    values = [value for value in (cause.old, cause.new) if value != UNSET]
    return cause.name not in _SECTIONS and all(_DIGEST.fullmatch(value) for value in values)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The keys whose values differ, with both values as text."""
    for key in sorted({*old, *new}):
        before, after = (_text(side[key]) if key in side else UNSET for side in (old, new))
        if before != after:
            yield key, before, after


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested settings with their dotted paths; a list is a leaf."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _flatten(below, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, value


def _outside(build: Build, manifest: Manifest) -> dict[str, str]:
    """The inputs that no artifact of the build provides, with their sha256."""
    return {path: sha for path, sha in manifest.inputs.items() if not build.owner(path)}


def _changed_outside(old: dict[str, str], new: dict[str, str]) -> Iterator[Cause]:
    """The outside files that differ; one that only moved does not."""
    removed = {path: sha for path, sha in old.items() if new.get(path) != sha}
    added = {path: sha for path, sha in new.items() if old.get(path) != sha}
    for path in sorted(removed.keys() & added.keys()):
        yield Cause("input", path, _short(removed.pop(path)), _short(added.pop(path)))
    for path in sorted(removed):
        moved_to = min((other for other, sha in added.items() if sha == removed[path]), default="")
        if moved_to:
            del added[moved_to], removed[path]
    by_name = {Path(path).name: path for path in sorted(added)}
    for path in sorted(removed):
        other = by_name.pop(Path(path).name, None)
        if other is None:
            yield Cause("input", path, _short(removed[path]), UNSET)
        else:
            old_file = f"{path} {_short(removed[path])}"
            yield Cause("input", other, old_file, _short(added.pop(other)))
    for path in sorted(added):
        yield Cause("input", path, UNSET, _short(added[path]))


def _short(sha256: str) -> str:
    return sha256[:_DIGEST_SHOWN]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else canonical(value).decode().strip()
