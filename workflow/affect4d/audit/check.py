"""The audit: is every file what was written, and everything built from what is there?

Nothing is believed that a digest does not cover; labels and counts are compared across artifacts
only where their bytes are whole.
"""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from affect4d import store
from affect4d.audit import agreement, lineage
from affect4d.audit.lineage import Build
from affect4d.audit.verdict import Finding, Kind, Verdict
from affect4d.store import Manifest, StoreError, protocol
from affect4d.store.manifest import SUFFIX, File, check_digest

# Written about the results, not part of them.
_ASIDE = {"logs", "benchmarks", "audit.json", "report.html"}


def audit(results: Path) -> Verdict:
    """Look at everything under the results folder.

    Every listed file is digested (in parallel, with a bar on stderr), every artifact's inputs are
    compared with those it was built from, files that nobody lists are found, and labels and counts
    are compared across artifacts.

    Returns
    -------
    Verdict
        Its `error` says why the audit could not look, if it could not.
    """
    root = Path(results)
    if not root.is_dir():
        return Verdict(error=f"{root} is no folder; name the results folder of a build")
    try:
        build = lineage.load(root)
        if not build.manifests and not build.unreadable:
            return Verdict(error=f"{root} holds no manifest; run snakemake first")
        return _look(build)
    except OSError as error:
        return Verdict(error=f"{error.filename}: {error.strerror}")


def _look(build: Build) -> Verdict:
    problems = [
        Finding(Kind.DAMAGED, name.removesuffix(SUFFIX), name, error.what)
        for name, error in build.unreadable.items()
    ]
    problems += _find_missing(build)
    problems += _check_files(build)
    problems += _check_inputs(build)
    problems += _find_unlisted(build)
    broken = {problem.artifact for problem in problems if problem.kind is Kind.DAMAGED}
    problems += agreement.check(build, broken)
    listed = [file for manifest in build.manifests.values() for file in manifest.files]
    return Verdict(
        artifacts=len(build.manifests) + len(build.unreadable),
        known=tuple(sorted({*build.manifests, *build.unreadable, *_known(build.root)})),
        files=len(listed),
        bytes=sum(file.size for file in listed),
        problems=tuple(problems),
        notes=tuple(
            f"{build.relative(path)} was left by a killed job; `affect4d audit --invalidate` "
            "removes it"
            for path in protocol.stale_temporaries(build.root)
        ),
    )


def _find_missing(build: Build) -> Iterator[Finding]:
    """Artifacts that the build's own audit saw and that are gone, manifest and all."""
    for name in _known(build.root):
        if name not in build.manifests and name not in build.unreadable:
            what = "was there when the build was audited and is missing"
            yield Finding(Kind.OPEN, name.removesuffix(SUFFIX), name, what, "run snakemake")


def _known(root: Path) -> list[str]:
    """The artifacts of the last audit that was written down; none where there is none."""
    try:
        return [str(name) for name in json.loads((root / "audit.json").read_bytes())["known"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _check_files(build: Build) -> Iterator[Finding]:
    """Digest every listed file, on all cores."""
    tasks = [(manifest, file) for manifest in build.manifests.values() for file in manifest.files]
    total = sum(file.size for _, file in tasks)
    bar = tqdm(total=total, unit="B", unit_scale=True, desc="audit", mininterval=1)
    with bar, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for (manifest, file), what in zip(tasks, pool.map(_check_file, tasks), strict=True):
            bar.update(file.size)
            if what:
                where = build.relative(manifest.locate(file))
                yield Finding(Kind.DAMAGED, manifest.artifact, where, what)


def _check_file(task: tuple[Manifest, File]) -> str:
    problem = check_digest(*task)
    return problem.what if problem else ""


def _check_inputs(build: Build) -> Iterator[Finding]:
    """Compare the inputs that are there with those each artifact was built from."""
    digests = _input_digests(build)
    for manifest in build.manifests.values():
        for name, recorded in manifest.inputs.items():
            outside = Path(name).is_absolute()
            found = digests[name]
            if name in build.unreadable or found == recorded:
                continue
            if found:
                what = "was built from another version of this input"
                yield Finding(Kind.STALE, manifest.artifact, name, what)
            elif outside:
                what, remedy = "this input is no longer there", "bring it back to its place"
                yield Finding(Kind.OPEN, manifest.artifact, name, what, remedy)
            else:
                yield Finding(Kind.STALE, manifest.artifact, name, "this input is missing")
    yield from _open_ends(build)


def _input_digests(build: Build) -> dict[str, str]:
    """The sha256 of every input of any artifact; empty where it is missing."""
    names = {name for manifest in build.manifests.values() for name in manifest.inputs}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(names, pool.map(lambda name: _digest(build, name), names), strict=True))


def _digest(build: Build, name: str) -> str:
    # A listed file has been digested against its own manifest: what that says is enough here.
    if name in build.owners and not name.endswith(SUFFIX):
        return build.owners[name][1]
    try:
        return store.digest(build.root / name)
    except StoreError:
        return ""


def _open_ends(build: Build) -> Iterator[Finding]:
    """Inputs inside the results folder that no manifest vouches for."""
    for manifest in build.manifests.values():
        for name in manifest.inputs:
            known = name in build.manifests or name in build.unreadable or name in build.owners
            if not known and not Path(name).is_absolute() and (build.root / name).exists():
                what = "no manifest lists this input, so its origin is unknown"
                yield Finding(Kind.OPEN, manifest.artifact, name, what)


def _find_unlisted(build: Build) -> Iterator[Finding]:
    """Files that no manifest lists: one finding a file in a store, else one a folder."""
    loose: dict[str, list[str]] = {}
    for name in _walk(build.root):
        if name in build.owners or name.endswith(SUFFIX):
            continue
        folder = _store_of(name)
        if folder is None:
            loose.setdefault(Path(name).parent.as_posix(), []).append(name)
            continue
        manifest = folder.removesuffix(".zarr") + SUFFIX
        if manifest in build.manifests:
            artifact = build.manifests[manifest].artifact
            yield Finding(Kind.DAMAGED, artifact, name, "is not part of this store")
        elif manifest not in build.unreadable:
            loose.setdefault(folder, []).append(name)
    for folder, names in loose.items():
        if folder.endswith(".zarr"):
            artifact, what = folder.removesuffix(".zarr"), "this store has no manifest"
            yield Finding(Kind.UNLISTED, artifact, folder, what)
        else:
            what = f"no manifest lists this file{_others(names)}"
            remedy = "rebuild with snakemake what it belongs to, or delete it"
            yield Finding(Kind.UNLISTED, folder, names[0], what, remedy)


def _others(names: Iterable[str]) -> str:
    count = len(list(names)) - 1
    return f" ({count} more in this folder)" if count else ""


def _walk(root: Path) -> Iterator[str]:
    """Every file under the root but those written about the results, and temporaries."""
    for parent, folders, files in os.walk(root):
        if Path(parent) == root:
            folders[:] = [name for name in folders if name not in _ASIDE]
            files = [name for name in files if name not in _ASIDE]
        folders[:] = sorted(name for name in folders if not protocol.is_temporary(Path(name)))
        for name in sorted(files):
            if not protocol.is_temporary(Path(name)):
                yield Path(parent, name).relative_to(root).as_posix()


def _store_of(name: str) -> str | None:
    """The store within which a file lies, if it does."""
    parts = Path(name).parts[:-1]
    for depth, part in enumerate(parts, 1):
        if part.endswith(".zarr"):
            return Path(*parts[:depth]).as_posix()
    return None
