"""What manifests state of how they were made: against themselves, each other and the workflow."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from affect4d.artifacts.registry import find_artifact
from affect4d.audit.verdict import Finding, Kind, damaged
from affect4d.provenance.lineage import Build
from affect4d.provenance.planned_jobs import PlannedJob
from affect4d.store import Manifest, canonical
from affect4d.store.commit import versions
from affect4d.store.manifest import SUFFIX

_PACKAGE = "affect4d"
_DESCRIBED = ("inputs", "settings", "code", "versions")


def check_statements(build: Build) -> Iterator[Finding]:
    """Fingerprints, and the rule that an artifact's declaration names."""
    for name, manifest in build.manifests.items():
        described = {field: getattr(manifest, field) for field in _DESCRIBED}
        if hashlib.sha256(canonical(described)).hexdigest() != manifest.fingerprint:
            what = "inputs, settings, code or versions are not those of its fingerprint"
            yield damaged(manifest.artifact, name, what)
        declared = find_artifact(manifest.artifact)
        if declared is not None and manifest.rule not in declared.rules:
            what = f"states the rule {manifest.rule}; only {', '.join(declared.rules)} makes it"
            yield damaged(manifest.artifact, name, what)


def check_plan(build: Build, jobs: Iterable[PlannedJob]) -> Iterator[Finding]:
    """Rule, inputs, settings and code of every artifact, against the workflow's own jobs.

    The jobs are those of the configuration that the build claims. Code is compared where the
    package's version is the one at hand.
    """
    for job in jobs:
        for name in job.outputs:
            if name not in build.manifests:
                if name not in {**build.unreadable, **build.left_out}:
                    what = "is part of this build by its configuration and is missing"
                    artifact = name.removesuffix(SUFFIX)
                    yield Finding(Kind.UNRESOLVED, artifact, name, what, "run snakemake")
                continue
            items = (item for item in build.listed(name) if item in build.manifests)
            for made in (name, *items):
                for what in _contradictions(build, made, job):
                    yield Finding(Kind.STALE, build.manifests[made].artifact, made, what)


def _contradictions(build: Build, name: str, job: PlannedJob) -> Iterator[str]:
    """In what an artifact, or an item of a job, is not what the workflow says."""
    manifest, planned = build.manifests[name], job.settings
    if manifest.rule != job.rule:
        yield f"states the rule {manifest.rule} in place of {job.rule}"
    is_item = name not in job.outputs
    for key in sorted({*planned} - ({*planned} - {*manifest.settings} if is_item else set())):
        if manifest.settings.get(key) != planned[key]:
            yield f"states other settings of {key} than the build's configuration"
    same_package = manifest.versions.get(_PACKAGE) == versions().get(_PACKAGE)
    # an item is made by its job's code, whatever is at hand
    code = build.manifests[job.outputs[0]].code if is_item else job.code
    if same_package and manifest.code != code:
        yield f"states other code than {'its job' if is_item else f'rule {job.rule} has at hand'}"
    for source in _strange_inputs(build, manifest, job):
        yield f"states an input that rule {job.rule} does not read: {source}"


def _strange_inputs(build: Build, manifest: Manifest, job: PlannedJob) -> Iterator[str]:
    """Inputs inside the results folder that are no part of what the job reads or makes."""
    reads = set()
    for source in (*job.inputs, *job.outputs):
        known = source in build.manifests or source in build.left_out
        reads |= {source, *(build.listed(source) if known else ())}
    for source in manifest.inputs:
        inside = not Path(source).is_absolute()
        if inside and source not in reads and build.owner(source) not in reads:
            yield source


def describe_versions(build: Build) -> Iterator[str]:
    """Notes on versions: of parts of a build that differ from the rest, and from those at hand."""
    stated = {name: manifest.versions for name, manifest in build.manifests.items()}
    counts = Counter(canonical(each) for each in stated.values())
    if not counts:
        return
    most = counts.most_common(1)[0][0]
    common = next(each for each in stated.values() if canonical(each) == most)
    for name, each in stated.items():
        if each != common:
            artifact = name.removesuffix(SUFFIX)
            yield f"{artifact} was made with other versions than the rest: {_other(each, common)}"
    if common != (here := versions()):
        yield f"the build was made with other versions than are at hand: {_other(common, here)}"


def _other(stated: dict[str, Any], reference: dict[str, Any]) -> str:
    names = sorted({*stated, *reference})
    return ", ".join(
        f"{name} {stated.get(name, 'absent')} (not {reference.get(name, 'absent')})"
        for name in names
        if stated.get(name) != reference.get(name)
    )
