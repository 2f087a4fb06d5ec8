"""Orphans: files under the results folder that no manifest lists."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from affect4d.artifacts import provenance
from affect4d.audit import journal
from affect4d.audit.verdict import Finding, Kind
from affect4d.provenance.lineage import Build
from affect4d.store import protocol
from affect4d.store.build_root import MARKER, walk_build
from affect4d.store.manifest import SUFFIX
from affect4d.system_files import is_system_file

# Written about the results, not part of them: no manifest has their digests.
UNPROTECTED = {
    "logs",
    "benchmarks",
    provenance.VERDICT.name(),
    provenance.REPORT_PAGE.name(),
    provenance.SEAL.name(),
    provenance.SIGNATURE.name(),
}
_NOT_RESULTS = {*UNPROTECTED, journal.NAME, MARKER, provenance.LEFT.pattern}
_MOVE = "move it away, or delete it"
_REBUILD_OR_DELETE = "rebuild with snakemake what it belongs to, or delete it"


def find_orphans(build: Build) -> Iterator[Finding]:
    """One finding per file within a store, else one per folder with unlisted files."""
    loose: dict[str, list[str]] = {}
    for name in _walk(build.root):
        if name in build.owners or name in build.manifests or name in build.unreadable:
            continue
        folder = store_of_file(name)
        if folder is None:
            loose.setdefault(Path(name).parent.as_posix(), []).append(name)
            continue
        manifest = folder.removesuffix(".zarr") + SUFFIX
        if manifest in build.manifests:
            artifact, what = build.manifests[manifest].artifact, "is not part of this store"
            yield Finding(Kind.UNLISTED, artifact, name, what, _MOVE)
        elif manifest not in build.unreadable:
            loose.setdefault(folder, []).append(name)
    for folder, names in loose.items():
        if folder.endswith(".zarr"):
            artifact, what = folder.removesuffix(".zarr"), "this store has no manifest"
            yield Finding(Kind.UNLISTED, artifact, folder, what, _REBUILD_OR_DELETE)
        else:
            what = f"no manifest lists this file{_others(names)}"
            yield Finding(Kind.UNLISTED, folder, names[0], what, _REBUILD_OR_DELETE)


def _others(names: Iterable[str]) -> str:
    count = len(list(names)) - 1
    return f" ({count} more in this folder)" if count else ""


def _walk(root: Path) -> Iterator[str]:
    """Every file under the root but those written about the results, and temporaries.

    A link to a folder counts as a file, for nothing looks behind it.
    """
    for parent, folders, files in walk_build(root):
        if Path(parent) == root:
            folders[:] = [name for name in folders if name not in _NOT_RESULTS]
            files = [name for name in files if name not in _NOT_RESULTS]
        folders[:] = sorted(name for name in folders if not _is_foreign(name))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*files, *links]):
            if not _is_foreign(name):
                yield Path(parent, name).relative_to(root).as_posix()


def _is_foreign(name: str) -> bool:
    """Whether a name is that of a writer's temporary or lock, or of an operating system's file."""
    return protocol.is_temporary(Path(name)) or is_system_file(name)


def store_of_file(name: str) -> str | None:
    """The store within which a file lies, if it does."""
    parts = Path(name).parts[:-1]
    for depth, part in enumerate(parts, 1):
        if part.endswith(".zarr"):
            return Path(*parts[:depth]).as_posix()
    return None
