"""Invalidate: take away what is broken, so that snakemake builds it, and what follows, anew."""

from pathlib import Path

from affect4d import store
from affect4d.audit import lineage
from affect4d.audit.lineage import Build
from affect4d.audit.verdict import Kind, Verdict
from affect4d.store import protocol
from affect4d.store.manifest import SUFFIX


def invalidate(results: Path, verdict: Verdict) -> list[str]:
    """Delete broken artifacts with their manifests, and the manifests of all that follows.

    Stale artifacts lose their manifest only; items that are still current are kept by their rules.
    Files that no manifest lists are deleted inside stores only, and nothing outside the results
    folder ever. Leftovers of killed jobs go too.

    Returns
    -------
    list of str
        What was deleted, relative to the results folder; empty where the verdict had no problem.
    """
    build = lineage.load(results)
    damaged = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.DAMAGED}
    stale = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.STALE}
    uncommitted = {
        p.file for p in verdict.problems if p.kind is Kind.UNLISTED and p.file.endswith(".zarr")
    }
    gone = uncommitted | {file for name in damaged for file in _files(build, name)}
    changed = damaged | stale | {_manifest(name.removesuffix(".zarr")) for name in uncommitted}
    # A manifest goes before its data, so that none stands beside other data if this is interrupted.
    doomed = sorted(changed | build.dependents(changed))
    deleted = [*doomed, *sorted(gone)]
    deleted = [name for name in deleted if _remove(build.root, name)]
    if deleted and (build.root / "audit.json").exists():
        # the next audit must miss what is gone now, should nobody rebuild it
        with store.atomic(build.root / "audit.json") as unfinished:
            unfinished.write_bytes(store.canonical(verdict.record()))
    return [*deleted, *(build.relative(path) for path in protocol.sweep(build.root))]


def _manifest(artifact: str) -> str:
    return artifact + SUFFIX


def _files(build: Build, name: str) -> list[str]:
    """The files and folders of a damaged artifact; manifests that it lists have their own fate."""
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
