"""The audit: is every file what was written, and everything built from what is there?

Nothing is trusted that a digest does not cover: tables and stores are checked against their
declarations, and labels and counts across artifacts, only where their bytes are intact.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from affect4d.artifacts import neutrals, provenance
from affect4d.audit.agreement import check_agreement
from affect4d.audit.digests import Digested, Sample, digest_all
from affect4d.audit.images import Images
from affect4d.audit.labels import check_labels
from affect4d.audit.leftovers import find_leftovers, is_dropped
from affect4d.audit.orphans import find_orphans
from affect4d.audit.published import check_dataset
from affect4d.audit.seal import check_seal, describe_seal
from affect4d.audit.statements import check_plan, check_statements, describe_versions
from affect4d.audit.tables import check_tables
from affect4d.audit.verdict import Finding, Kind, Verdict, damaged, read_verdict
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.audit.withdrawn import check_withdrawn, describe_withdrawn
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.provenance.planned_jobs import plan_jobs
from affect4d.store import StoreError, protocol
from affect4d.store.build_root import MARKER, is_root
from affect4d.store.manifest import SUFFIX


def audit_build(
    results: Path,
    sample: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    plan: bool = False,
    signers: Path | None = None,
) -> Verdict:
    """Check everything under the results folder.

    Every listed file is digested (in parallel, with a bar on stderr; where an audit was interrupted
    within a day, what it has read is not read again), every artifact's inputs are compared with
    those it was built from, files that no manifest lists are found, tables and stores are checked
    against their declarations, and labels, counts and names are compared across artifacts.

    Parameters
    ----------
    results : the folder
    sample : read the content of that many files, chunks and shards only; of all others, check that
        they are there at their sizes
    seed : another seed, another sample
    threads : how many may compute digests; by default one per core
    plan : compare what manifests state with the jobs of the workflow at hand, too
    signers : file of those who may seal a build; with it, one without their seal is a finding

    Returns
    -------
    Verdict
        Its `error` says why the audit failed to run, if it did.
    """
    root = Path(results)
    if not root.is_dir():
        return Verdict(error=f"{root} is no folder; name the results folder of a build")
    try:
        build = lineage.load_build(root)
        if not build.manifests and not build.unreadable:
            what = f"{root} holds no manifest of its own"
            return Verdict(error=f"{what}; name the results folder of a build, or run snakemake")
        chosen = None if sample is None else _sample(build, sample, seed)
        verdict = _check_build(build, chosen, threads or len(os.sched_getaffinity(0)))
        sealed = replace(
            verdict,
            problems=(*verdict.problems, *check_seal(build, signers)),
            notes=(*verdict.notes, *describe_seal(root, signers)),
        )
        return _compare_plan(build, sealed) if plan else sealed
    except OSError as error:
        return Verdict(error=f"{error.filename or root}: {error.strerror or error}")


def _sample(build: Build, count: int, seed: int) -> Sample:
    """The sample that belongs to this very build."""
    content = json.dumps([seed, *((name, m.fingerprint) for name, m in build.manifests.items())])
    return Sample(count, hashlib.sha256(content.encode()).hexdigest())


def _check_build(complete: Build, sample: Sample | None, threads: int) -> Verdict:
    leftovers = find_leftovers(complete)
    build = complete.without(leftovers)
    problems = [
        damaged(name.removesuffix(SUFFIX), name, error.what)
        for name, error in build.unreadable.items()
    ]
    problems += _check_marker(build.root)
    problems += _check_last(build.root)
    problems += _find_missing(build)
    digested = digest_all(build, sample, threads)
    problems += [
        damaged(manifest.artifact, build.relative(manifest.locate(file)), what)
        for manifest, file, what in digested.problems
    ]
    problems += _check_inputs(build, digested)
    problems += check_statements(build)
    problems += find_orphans(complete)
    broken = {problem.artifact for problem in problems if problem.kind is Kind.DAMAGED}
    problems += _check_content(VerifiedBuild(build, broken, sample))
    listed = [file for manifest in build.manifests.values() for file in manifest.files]
    return Verdict(
        artifacts=len(build.manifests) + len(build.unreadable),
        known={
            **dict.fromkeys(_known(build), ""),
            **{name: build.manifest_digest(name) for name in (*build.manifests, *build.unreadable)},
        },
        files=len(listed),
        bytes=sum(file.size for file in listed),
        problems=tuple(problems),
        leftovers=leftovers,
        notes=tuple(_notes(build, digested, leftovers)),
        sampled=digested.read if sample else None,
    )


def _compare_plan(build: Build, verdict: Verdict) -> Verdict:
    """The verdict with what the workflow at hand says otherwise than the manifests."""
    crate = provenance.CRATE.name()
    if any(problem.artifact == crate for problem in verdict.problems):
        reason = "the RO-Crate, which states its configuration, is not that of this build"
    else:
        try:
            problems = tuple(check_plan(build, plan_jobs(build.root)))
            return replace(verdict, problems=(*verdict.problems, *problems))
        except StoreError as error:
            reason = str(error)
    note = f"nothing was compared with the workflow: {reason}"
    return replace(verdict, notes=(*verdict.notes, note))


def _check_content(build: VerifiedBuild) -> Iterator[Finding]:
    """What the bytes say, where they are those that were written."""
    yield from check_tables(build)
    for name in build.chosen(build.stores):
        yield from build.store_faults(name)
    yield from check_agreement(build)
    yield from check_labels(build)
    images = Images(build)
    yield from images.check()
    yield from check_dataset(build, images)
    yield from check_withdrawn(build)


def _notes(build: Build, digested: Digested, leftovers: dict[str, str]) -> Iterator[str]:
    if leftovers:
        names = ", ".join(name.removesuffix(SUFFIX) for name in leftovers)
        yield (
            "not in the dataset, as of databases or chunks that the configuration no longer has, "
            f"and not checked: {names}; `affect4d audit --invalidate` removes them"
        )
    if digested.resumed:
        size = digested.resumed_bytes / 1e6
        yield (
            f"{digested.resumed} files ({size:.1f} MB) were read by an audit that was interrupted "
            "less than a day ago, and not again"
        )
    if build.left_out:
        names = ", ".join(name.removesuffix(SUFFIX) for name in build.left_out)
        yield (
            f"not in the archive from which this build was restored, and not checked: {names}; "
            "snakemake makes them again"
        )
    yield from describe_versions(build)
    yield from describe_withdrawn(build)
    for path in protocol.stale_temporaries(build.root):
        yield (
            f"{build.relative(path)} was left by a killed job; `affect4d audit --invalidate` "
            "removes it"
        )


def _find_missing(build: Build) -> Iterator[Finding]:
    """Artifacts that the build's own audit saw and that are gone with their manifests."""
    for name in _known(build):
        if name not in {**build.manifests, **build.unreadable, **build.left_out}:
            what = "was there when the build was audited and is missing"
            yield Finding(Kind.UNRESOLVED, name.removesuffix(SUFFIX), name, what, "run snakemake")


def _known(build: Build) -> list[str]:
    """The build's artifacts at the last audit that was recorded; none where there is none."""
    try:
        names = [str(name) for name in (read_verdict(build.root) or {"known": []})["known"]]
        return [name for name in names if not is_dropped(build, name)]
    except (StoreError, KeyError, TypeError):
        return []


def _check_marker(root: Path) -> Iterator[Finding]:
    """Without its marker, the commands that delete refuse the build."""
    if not is_root(root):
        what = "is missing, or is not what a build writes there"
        remedy = "move it away if it is there; `snakemake --forcerun audit` writes it"
        yield Finding(Kind.UNRESOLVED, "audit", MARKER, what, remedy)


def _check_last(root: Path) -> Iterator[Finding]:
    """The last verdict says which artifacts there were, so it must be what was written."""
    try:
        read_verdict(root)
    except StoreError as error:
        file = provenance.VERDICT.name()
        yield Finding(Kind.UNRESOLVED, "audit", file, error.what, error.remedy)


def _check_inputs(build: Build, digested: Digested) -> Iterator[Finding]:
    """Compare the inputs that are there with those each artifact was built from."""
    for manifest in build.manifests.values():
        for name, recorded in manifest.inputs.items():
            outside = Path(name).is_absolute()
            # A listed file was checked against its own manifest, whose digest is enough here.
            sha256 = digested.inputs[name] if name in digested.inputs else build.owners[name][1]
            if name in build.unreadable or sha256 in (recorded, None):
                continue
            if not sha256 and build.left_out_digests.get(name) == recorded:
                continue
            if sha256:
                what = "was built from another version of this input"
                yield Finding(Kind.STALE, manifest.artifact, name, what)
            elif outside:
                what, remedy = "this input is no longer there", "bring it back to its place"
                if neutrals.NEUTRALS.match(manifest.artifact):
                    remedy += ", or drop the database from the configuration"
                yield Finding(Kind.UNRESOLVED, manifest.artifact, name, what, remedy)
            else:
                yield Finding(Kind.STALE, manifest.artifact, name, "this input is missing")
    yield from _check_origins(build)


def _check_origins(build: Build) -> Iterator[Finding]:
    """Inputs inside the results folder that no manifest lists."""
    for manifest in build.manifests.values():
        for name in manifest.inputs:
            known = name in build.manifests or name in build.unreadable or name in build.owners
            if not known and not Path(name).is_absolute() and (build.root / name).exists():
                what = "no manifest lists this input, so its origin is unknown"
                yield Finding(Kind.UNRESOLVED, manifest.artifact, name, what)
