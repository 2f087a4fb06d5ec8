"""Invalidate: remove what is broken, so that snakemake rebuilds it and all that follows."""

import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from affect4d import store
from affect4d.artifacts import provenance
from affect4d.audit.orphans import store_of_file
from affect4d.audit.verdict import Kind, Verdict, read_verdict
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.store import StoreError, protocol
from affect4d.store.build_root import MARKER, is_root
from affect4d.store.manifest import SUFFIX

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removal:
    """One artifact that `invalidate` would delete: its manifest, and these of its files."""

    manifest: str
    files: list[str]


def plan_removals(results: Path, verdict: Verdict) -> list[Removal]:
    """What `invalidate` would delete, in its order: what follows from the broken ones first.

    Parameters and errors are those of `invalidate`.
    """
    if not is_root(results):
        what = f"has no {MARKER}: it is not the root of a build"
        remedy = "name the results folder itself; `snakemake --forcerun audit` marks an older build"
        raise StoreError(results, what, remedy)
    build = lineage.load_build(results)
    damaged = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.DAMAGED}
    stale = {_manifest(p.artifact) for p in verdict.problems if p.kind is Kind.STALE}
    damaged |= verdict.leftovers.keys()
    changed = {name for name in {*damaged, *stale} if _is_unchanged(build, verdict, name)}
    others = {
        file for name in build.manifests if name not in changed for file in build.listed(name)
    }
    # What was built from an artifact goes before it does, or an interruption would leave it.
    followers = [Removal(name, []) for name in sorted(build.dependents(changed))]
    return followers + [
        Removal(
            name,
            [file for file in _files(build, name) if file not in others] if name in damaged else [],
        )
        for name in sorted(changed)
    ]


def invalidate(results: Path, verdict: Verdict) -> list[str]:
    """Delete broken artifacts with their manifests, and the manifests of all that follows.

    Stale artifacts lose their manifest only; items that are still current are kept by their rules.
    Of a damaged one, and of one that the configuration no longer has, the files go that its
    manifest lists and no other; what no manifest lists, and
    what lies outside the results folder, is never deleted. Leftovers of killed jobs go too. An
    artifact that was rebuilt since the audit, or is being written, is kept, and a line in the log
    says so.

    Returns
    -------
    list of str
        What was deleted, relative to the results folder; empty where the verdict had no problem.

    Raises
    ------
    StoreError
        The folder is not the root of a build.
    """
    removals = plan_removals(results, verdict)
    build = lineage.load_build(results)
    deleted = []
    for removal in removals:
        deleted += _delete(build, removal.manifest, removal.files)
    recorded = provenance.VERDICT.path(build.root)
    if deleted and _is_recorded(build.root):
        # the next audit must miss what is gone now, should nobody rebuild it
        with store.atomic(recorded) as unfinished:
            unfinished.write_bytes(store.canonical(verdict.record()))
    return [*deleted, *(build.relative(path) for path in protocol.garbage_collect(build.root))]


def _is_recorded(root: Path) -> bool:
    """Whether there is a verdict of an audit: no link, and no file of another program."""
    with suppress(OSError, StoreError):
        return read_verdict(root) is not None
    return False


def _is_unchanged(build: Build, verdict: Verdict, name: str) -> bool:
    """Whether an artifact's manifest is still the one that the audit saw, or as missing."""
    same = build.manifest_digest(name) == {**verdict.known, **verdict.leftovers}.get(name, "")
    if not same:
        log.warning("%s was rebuilt since the audit and is kept", name.removesuffix(SUFFIX))
    return same


def _delete(build: Build, name: str, files: list[str]) -> list[str]:
    """Delete a manifest, then files of its artifact, unless somebody writes it; what was there."""
    path = build.root / name
    targets = {path, *(build.root / folder for file in files if (folder := store_of_file(file)))}
    try:
        with ExitStack() as locks:
            for target in sorted(targets):
                if target.parent.is_dir():
                    locks.enter_context(protocol.lock(target))
            # A manifest goes first, or an interruption would leave it without its data.
            deleted = [each for each in (name, *files) if _remove(build.root, each)]
    except StoreError as error:
        log.warning("%s", error)
        return []
    return list(dict.fromkeys(store_of_file(each) or each for each in deleted))


def _manifest(artifact: str) -> str:
    return artifact + SUFFIX


def _files(build: Build, name: str) -> list[str]:
    """The files that a damaged artifact's manifest lists, but for other manifests.

    Where the manifest itself is damaged nobody knows them; the rule that writes them again replaces
    them.
    """
    listed = build.listed(name) if name in build.manifests else []
    return [file for file in listed if not file.endswith(SUFFIX)]


def _remove(root: Path, name: str) -> bool:
    """Delete a regular file inside the root, and the folders that it leaves empty.

    Returns whether there was one. Nothing is deleted through a link, and no link.
    """
    path = root / name
    inside = path.parent.resolve() == path.parent and path.is_relative_to(root)
    if not inside or path.is_symlink() or not path.is_file():
        return False
    path.unlink()
    for folder in path.parents:
        if folder == root or {each.name for each in folder.iterdir()} - {protocol.LIST}:
            break
        (folder / protocol.LIST).unlink(missing_ok=True)
        folder.rmdir()
    return True
