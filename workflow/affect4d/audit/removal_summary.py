"""What `audit --invalidate` is about to delete, in words, and what it costs to build it again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from affect4d.audit.repair import Removal
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.provenance.planned_jobs import RunFigures, read_run
from affect4d.quarantine import printable
from affect4d.store import protocol
from affect4d.store.manifest import SUFFIX


def describe_removals(results: Path, removals: Sequence[Removal]) -> str:
    """One line per artifact that loses files, one for all that lose their manifest only, the cost.

    Parameters
    ----------
    results : the results folder
    removals : as `plan_removals` gives them

    Returns
    -------
    str
        Empty where nothing would be deleted.
    """
    build = lineage.load_build(results)
    lines = [*_artifacts(build, removals), *_temporaries(build)]
    if removals:
        lines.append(_cost(build, [removal.manifest for removal in removals]))
    return "\n".join(map(printable, lines))


def _artifacts(build: Build, removals: Sequence[Removal]) -> Iterator[str]:
    kept = [removal.manifest for removal in removals if not removal.files]
    for removal in removals:
        if removal.files:
            name = removal.manifest.removesuffix(SUFFIX)
            count = len(removal.files)
            yield f"{name}: {count} files ({_megabytes(build, removal.files)}) and the manifest"
    if kept:
        rules = Counter(
            build.manifests[name].rule if name in build.manifests else "unknown" for name in kept
        )
        each = ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items()))
        yield f"only the manifests of what is stale or follows, {len(kept)}: {each}"


def _temporaries(build: Build) -> Iterator[str]:
    found = [build.relative(path) for path in protocol.stale_temporaries(build.root)]
    if found:
        yield f"leftovers of killed jobs: {', '.join(found)}"


def _megabytes(build: Build, files: Sequence[str]) -> str:
    paths = [build.root / file for file in files]
    size = sum(path.lstat().st_size for path in paths if path.exists())
    return f"{size / 1e6:.1f} MB"


def _cost(build: Build, names: Sequence[str]) -> str:
    """How long the jobs took that made the artifacts, as Snakemake's benchmarks say."""
    jobs = {build.job(name) or name for name in names if name in build.manifests}
    runs = filter(None, (_recorded(build, job) for job in sorted(jobs)))
    seconds = sum(run.seconds for run in runs)
    minutes = f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
    return f"to build again: {len(jobs)} jobs, which took {minutes} in all, one after the other"


def _recorded(build: Build, job: str) -> RunFigures | None:
    """The run of the job that wrote a manifest; None where nothing whole is recorded."""
    manifest = build.manifests[job]
    folder, item = build.root / "benchmarks" / manifest.rule, manifest.item.split()[-1]
    candidates = (folder / f"{item}.tsv", folder.with_suffix(".tsv"))
    return next(filter(None, map(read_run, candidates)), None)
