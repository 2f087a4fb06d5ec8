"""The graph of a build: every manifest under the results folder, and what was built from what."""

import json
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from affect4d import store
from affect4d.artifacts.provenance import LEFT_OUT
from affect4d.artifacts.registry import find_artifact
from affect4d.store import Manifest, StoreError
from affect4d.store.build_root import walk_build
from affect4d.store.manifest import FORMAT, REBUILD, SUFFIX
from affect4d.store.regular import read_regular
from affect4d.system_files import is_system_file

_FORMAT = f'"format": "{FORMAT}"'.encode()


@dataclass(frozen=True)
class Build:
    """All manifests under `root`, by their path relative to it.

    Attributes
    ----------
    root : the results folder, absolute
    manifests : those that are what was written
    unreadable : the others that this build wrote, with what is wrong
    left_out : those of artifacts that the archive lacked from which the build was restored
    """

    root: Path
    manifests: dict[str, Manifest]
    unreadable: dict[str, StoreError]
    left_out: dict[str, Manifest] = field(default_factory=dict)

    def without(self, names: Iterable[str]) -> "Build":
        """The build without some of its manifests."""
        manifests, unreadable = dict(self.manifests), dict(self.unreadable)
        for name in names:
            manifests.pop(name, None)
            unreadable.pop(name, None)
        return Build(self.root, manifests, unreadable, self.left_out)

    def relative(self, path: Path) -> str:
        """`path` relative to the root where it lies inside, else absolute."""
        inside = path.is_relative_to(self.root)
        return (path.relative_to(self.root) if inside else path).as_posix()

    def listed(self, name: str) -> list[str]:
        """The files of a manifest, relative to the root where they lie inside, else absolute."""
        manifest = self.manifests[name] if name in self.manifests else self.left_out[name]
        folder, files = posixpath.dirname(name), manifest.files
        paths = [posixpath.normpath(posixpath.join(folder, file.path)) for file in files]
        return [
            posixpath.normpath(self.root / path) if path.startswith("../") else path
            for path in paths
        ]

    @cached_property
    def owners(self) -> dict[str, tuple[str, str]]:
        """Every listed file: the manifest that lists it and the sha256 there."""
        return {
            path: (name, file.sha256)
            for name, manifest in self.manifests.items()
            for path, file in zip(self.listed(name), manifest.files, strict=True)
        }

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The bytes that every listed file has."""
        return {
            path: file.size
            for name, manifest in self.manifests.items()
            for path, file in zip(self.listed(name), manifest.files, strict=True)
        }

    @cached_property
    def left_out_digests(self) -> dict[str, str]:
        """The sha256 of every file that an archive left out, manifests among them."""
        digests = {}
        for name, manifest in self.left_out.items():
            digests[name] = store.digest(manifest.path)
            digests |= zip(self.listed(name), (f.sha256 for f in manifest.files), strict=True)
        return digests

    def owner(self, path: str) -> str:
        """The manifest that a path is, or that lists it; "" if none does."""
        return path if path.endswith(SUFFIX) else self.owners.get(path, ("",))[0]

    def manifest_digest(self, name: str) -> str:
        """The digest of a manifest; of one that is not what was written, that of its bytes."""
        if name in self.manifests:
            return self.manifests[name].digest
        try:
            return store.digest(self.root / name)
        except (StoreError, OSError):
            return ""

    def verified_path(self, name: str) -> Path | None:
        """Where a listed file lies, compared with its manifest; None where there is none.

        Raises
        ------
        StoreError
            It is not what was written, or no manifest lists it.
        """
        path = self.root / name
        if path not in self._verified:
            if not path.is_file():
                return None
            if name not in self.owners:
                raise StoreError(path, "no manifest lists this file", "run `affect4d audit`")
            if store.digest(path) != self.owners[name][1]:
                raise StoreError(path, "has other content than was written (sha256)", REBUILD)
            self._verified.add(path)
        return path

    @cached_property
    def _verified(self) -> set[Path]:
        """The files that were compared with their manifest already."""
        return set()

    def missing(self, path: str) -> StoreError:
        """What to say of a file that is not there."""
        if path in self.left_out_digests:
            what = "is not in the archive from which this build was restored"
            return StoreError(self.root / path, what, "restore a complete one")
        return StoreError(self.root / path, "is missing", "run `affect4d audit`")

    def ancestors(self, *names: str) -> list[str]:
        """The manifests that those named were built from, themselves first, each once."""
        known = dict.fromkeys(name for name in names if name in self.manifests)
        queue = list(known)
        while queue:
            above = [source for current in queue for source in self.sources(current)]
            queue = [n for n in dict.fromkeys(above) if n in self.manifests and n not in known]
            known |= dict.fromkeys(queue)
        return list(known)

    def dependents(self, names: set[str]) -> set[str]:
        """The manifests built from any of `names`, directly or not, without `names`."""
        known, queue = set(names), list(names)
        while queue:
            queue = [user for n in queue for user in self.users.get(n, ()) if user not in known]
            known.update(queue)
        return known - names

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The manifests that are built from each manifest, or list it, at one remove."""
        users: dict[str, list[str]] = {}
        for name in self.manifests:
            for source in self.sources(name):
                users.setdefault(source, []).append(name)
        return users

    def job(self, name: str) -> str | None:
        """The manifest of the job that made an artifact as one of several; None if none did."""
        lister = self.owners.get(name, ("",))[0]
        same = lister and self.manifests[lister].rule == self.manifests[name].rule
        return lister if same else None

    def sources(self, name: str) -> list[str]:
        """The manifests that `name` was built from or lists, missing ones included."""
        parts = [path for path in self.listed(name) if path.endswith(SUFFIX)]
        return parts + [self.owner(path) or path for path in self.manifests[name].inputs]


def load_build(root: Path) -> Build:
    """Read every manifest of the build under `root`: no build below it, no other's file."""
    root = Path(root).resolve()
    manifests: dict[str, Manifest] = {}
    unreadable: dict[str, StoreError] = {}
    left_out: dict[str, Manifest] = {}
    for parent, folders, files in walk_build(root):
        folders[:] = [n for n in folders if not (n.endswith(".zarr") or is_system_file(n))]
        for file in files:
            path = Path(parent, file)
            if not file.endswith(SUFFIX) or file.startswith("."):
                continue
            name = path.relative_to(root).as_posix()
            place = LEFT_OUT.match(name)
            try:
                if place:
                    left_out[place["path"]] = _read(path, place["path"])
                else:
                    manifests[name] = _read(path, name)
            except StoreError as error:
                unreadable[name] = error
    build = Build(root, dict(sorted(manifests.items())), {})
    own = {name: error for name, error in sorted(unreadable.items()) if _is_own(build, name)}
    # one that was built again since the archive was restored is there
    left = {name: left_out[name] for name in sorted(left_out) if name not in manifests}
    return Build(root, build.manifests, own, left)


def _is_own(build: Build, name: str) -> bool:
    """Whether this build wrote a manifest that is not what was written.

    A copy of a manifest under another name, and another program's file, are not the build's: the
    bytes must be a manifest's or blank, as after a crash, and its place that of an artifact which
    the bytes name, which others were built from, or of which there is only one.
    """
    if LEFT_OUT.match(name):
        return True
    artifact = name.removesuffix(SUFFIX)
    declared = find_artifact(artifact)
    if declared is None:
        return False
    expected = "{" not in declared.pattern or name in build.users
    try:
        raw = read_regular(build.root / name)
    except OSError:
        return expected
    said = f'"artifact": {json.dumps(artifact, ensure_ascii=False)},'.encode()
    looks_written = any(part in raw for part in (said, _FORMAT)) or not raw.strip(b"\0")
    return looks_written and (expected or said in raw)


def _read(path: Path, name: str) -> Manifest:
    manifest = store.read_manifest(path)
    if manifest.artifact + SUFFIX != name:
        raise StoreError(path, f"is the manifest of {manifest.artifact}", REBUILD)
    if not manifest.rule:
        raise StoreError(path, "does not record what the artifact was built from", REBUILD)
    return manifest
