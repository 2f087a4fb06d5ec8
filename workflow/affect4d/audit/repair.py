"""Invalidate: remove what is broken, so that snakemake rebuilds it and all that follows."""

import logging
from contextlib import ExitStack
from pathlib import Path

from affect4d import store
from affect4d.artifacts import provenance
from affect4d.audit.verdict import Kind, Verdict
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.store import StoreError, protocol
from affect4d.store.manifest import SUFFIX

log = logging.getLogger(__name__)


def invalidate(results: Path, verdict: Verdict) -> list[str]:
    """Delete broken artifacts with their manifests, and the manifests of all that follows.

    Stale artifacts lose their manifest only; items that are still current are kept by their rules.
    Files that no manifest lists are deleted inside stores only, and nothing outside the results
    folder ever. Leftovers of killed jobs go too. An artifact that was rebuilt since the audit, or
    is being written, is kept, and a line in the log says so.

    Returns
    -------
    list of str
        What was deleted, relative to the results folder; empty where the verdict had no problem.
    """
    build = lineage.load_build(results)
    damaged = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.DAMAGED}
    stale = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.STALE}
    uncommitted = {
        _manifest(p.file.removesuffix(".zarr")): p.file
        for p in verdict.problems
        if p.kind is Kind.UNLISTED and p.file.endswith(".zarr")
    }
    changed = {
        name for name in {*damaged, *stale, *uncommitted} if _is_unchanged(build, verdict, name)
    }
    deleted = []
    # What was built from an artifact goes before it does, or an interruption would leave it.
    for name in sorted(build.dependents(changed)):
        deleted += _delete(build, name, [])
    for name in sorted(changed):
        data = [uncommitted[name]] if name in uncommitted else []
        deleted += _delete(build, name, _files(build, name) if name in damaged else data)
    recorded = provenance.VERDICT.path(build.root)
    if deleted and recorded.exists():
        # the next audit must miss what is gone now, should nobody rebuild it
        with store.atomic(recorded) as unfinished:
            unfinished.write_bytes(store.canonical(verdict.record()))
    return [*deleted, *(build.relative(path) for path in protocol.garbage_collect(build.root))]


def _is_unchanged(build: Build, verdict: Verdict, name: str) -> bool:
    """Whether an artifact's manifest is still the one that the audit saw, or as missing."""
    same = build.manifest_digest(name) == verdict.known.get(name, "")
    if not same:
        log.warning("%s was rebuilt since the audit and is kept", name.removesuffix(SUFFIX))
    return same


def _delete(build: Build, name: str, files: list[str]) -> list[str]:
    """Delete a manifest, then files of its artifact, unless somebody writes it; what was there."""
    path = build.root / name
    try:
        with ExitStack() as locks:
            for target in (path, *(build.root / f for f in files if f.endswith(".zarr"))):
                if target.parent.is_dir():
                    locks.enter_context(protocol.lock(target))
            # A manifest goes first, or an interruption would leave it without its data.
            return [each for each in (name, *files) if _remove(build.root, each)]
    except StoreError as error:
        log.warning("%s", error)
        return []


def _manifest(artifact: str) -> str:
    return artifact + SUFFIX


def _files(build: Build, name: str) -> list[str]:
    """The files and folders of a damaged artifact; not the manifests that it lists."""
    folder = name.removesuffix(SUFFIX) + ".zarr"
    if (build.root / folder).is_dir():
        return [folder]
    manifest = build.manifests.get(name)
    listed = [build.relative(manifest.locate(file)) for file in manifest.files] if manifest else []
    # a file, never a folder: other artifacts may lie in it
    return [f for f in listed if not f.endswith(SUFFIX) and not (build.root / f).is_dir()]


def _remove(root: Path, name: str) -> bool:
    """Delete what lies inside the root, links not followed; whether there was anything."""
    path = root / name
    inside = path.parent.resolve().is_relative_to(root) and not Path(name).is_absolute()
    if not inside or not (path.exists() or path.is_symlink()):
        return False
    protocol.remove(path)
    return True
