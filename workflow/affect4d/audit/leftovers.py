"""What a configuration left that the build no longer has: a dropped database, a chunk too many.

The dataset's manifest says which databases and chunks the build has. Artifacts of others, and what
served those alone, are not part of the build: nothing in it is wrong because of them.
"""

from affect4d.artifacts import dataset, synthesis
from affect4d.artifacts.registry import find_artifact
from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX


def find_leftovers(build: Build) -> dict[str, str]:
    """The manifests that are left, with their digests; none where there is no dataset.

    What is newer than the dataset may be on its way into the next one, and is not among them.
    """
    names = [*build.manifests, *build.unreadable]
    left = {name for name in names if is_dropped(build, name) and _is_older(build, name)}
    while left:
        more = {
            name
            for name in build.manifests
            if name not in left and left.issuperset(build.users.get(name, [""]))
        }
        if not more:
            break
        left |= more
    return {name: build.manifest_digest(name) for name in sorted(left)}


def is_dropped(build: Build, name: str) -> bool:
    """Whether a manifest's name is that of a database or chunk which the dataset does not have."""
    fields = _fields(name)
    used = build.manifests.get(dataset.DATASET.name() + SUFFIX)
    if used is None or "database" not in fields:
        return False
    chunks = (synthesis.CHUNK.match(f"{each.removesuffix(SUFFIX)}.zarr") for each in used.inputs)
    return not any(chunk and fields.items() <= chunk.items() for chunk in chunks)


def _fields(name: str) -> dict[str, str]:
    artifact = name.removesuffix(SUFFIX)
    declared = find_artifact(artifact)
    return (declared.match(artifact) if declared else None) or {}


def _is_older(build: Build, name: str) -> bool:
    published = build.root / (dataset.DATASET.name() + SUFFIX)
    return (build.root / name).lstat().st_mtime_ns < published.lstat().st_mtime_ns
