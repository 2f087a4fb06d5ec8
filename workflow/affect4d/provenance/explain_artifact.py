"""Explain an artifact, or one of its files: its rule, what it was built from, what uses it."""

from collections import Counter
from collections.abc import Iterable

import pyarrow.parquet as pq

from affect4d import store
from affect4d.artifacts.registry import find_artifact, find_store
from affect4d.formats.own_tables import read_csv
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import Record
from affect4d.store import Manifest
from affect4d.store.manifest import SUFFIX


def find_manifest(build: Build, artifact: str) -> Manifest:
    """The manifest of an artifact.

    Raises
    ------
    StoreError
        It is damaged or missing.
    """
    name = artifact + SUFFIX
    if name in build.unreadable:
        raise build.unreadable[name]
    if name not in build.manifests:
        raise build.missing(name)
    return build.manifests[name]


def describe_artifact(build: Build, name: str) -> Record:
    """The record of an artifact."""
    manifest = find_manifest(build, name)
    declared, job = find_artifact(name), build.job(manifest.artifact + SUFFIX)
    return {
        "what": declared.description if declared else f"an artifact of rule {manifest.rule}",
        "rule": manifest.rule,
        "item": manifest.item,
        "job": job and job.removesuffix(SUFFIX),
        "built_from": _sources(build, manifest),
        "used_by": _users(build, name + SUFFIX),
        "files": {
            "count": len(manifest.files),
            "bytes": sum(file.size for file in manifest.files),
            "each": [vars(file) for file in manifest.files],
        },
        **_content(build, name),
        "settings": manifest.settings,
        "code": manifest.code,
        "fingerprint": manifest.fingerprint,
        "versions": manifest.versions,
    }


def describe_file(build: Build, path: str) -> Record:
    """The record of a listed file: its digest, and the artifact it is part of."""
    owner, sha256 = build.owners[path]
    listed = zip(build.listed(owner), build.manifests[owner].files, strict=True)
    size = next(file.size for name, file in listed if name == path)
    name = owner.removesuffix(SUFFIX)
    record = describe_artifact(build, name)
    what = f"a file of {name}: {record.pop('what')}"
    return {"what": what, "size": size, "sha256": sha256, "artifact": name} | record


def describe_steps(build: Build, artifacts: Iterable[str]) -> Record:
    """Settings and code of each rule behind the artifacts, nearest first; packages' versions."""
    names = [find_manifest(build, name).artifact + SUFFIX for name in artifacts]
    rules: dict[str, Record] = {}
    versions: dict[str, set[str]] = {}
    above = [ancestor for name in names for ancestor in build.ancestors(name)]
    for name in dict.fromkeys([*names, *above]):
        manifest = build.manifests[name]
        about = {"artifact": manifest.artifact, "settings": manifest.settings}
        rules.setdefault(manifest.rule, about | {"code": manifest.code})
        for package, version in manifest.versions.items():
            versions.setdefault(package, set()).add(version)
    shown = {package: ", ".join(sorted(each)) for package, each in sorted(versions.items())}
    return {"steps": rules, "versions": shown}


def _sources(build: Build, manifest: Manifest) -> Record:
    """What an artifact was built from, at one remove."""
    inside: dict[str, str] = {}
    outside = []
    for path, sha256 in manifest.inputs.items():
        owner = build.owner(path)
        if owner in build.manifests:
            inside[owner.removesuffix(SUFFIX)] = build.manifests[owner].rule
        else:
            outside.append({"file": path, "sha256": sha256})
    listed = build.listed(manifest.artifact + SUFFIX)
    parts = [name.removesuffix(SUFFIX) for name in listed if name.endswith(SUFFIX)]
    return {
        "rules": dict(sorted(Counter(inside.values()).items())),
        "artifacts": [{"artifact": name, "rule": rule} for name, rule in inside.items()],
        "outside": outside,
        **({"parts": parts} if parts else {}),
    }


def _users(build: Build, name: str) -> Record:
    """What was built from an artifact: at one remove, and in all, counted by rule."""
    direct = dict.fromkeys(build.users.get(name, []))
    rules = Counter(build.manifests[user].rule for user in build.dependents({name}))
    return {
        "artifacts": [user.removesuffix(SUFFIX) for user in direct],
        "in_all": dict(sorted(rules.items())),
    }


def _content(build: Build, name: str) -> Record:
    """The arrays of a store, or the tables among an artifact's files."""
    path = build.root / f"{name}.zarr"
    if not path.is_dir():
        tables = [_table(build, file) for file in build.listed(name + SUFFIX)]
        known = [table for table in tables if table]
        return {"tables": known} if known else {}
    opened = store.open(path)
    arrays = [_array(name, array, opened[array]) for array in opened]
    return {"arrays": arrays, "attributes": sorted(opened.attributes)}


def _array(artifact: str, name: str, array: store.Array) -> Record:
    """Shape and type of an array, its unit and meaning as declared."""
    declared = find_store(artifact)
    known = declared.array(name) if declared else None
    unit = known.unit if known else array.attributes.get("unit")
    return {
        "name": name,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "unit": unit or None,
        "description": known.description if known else None,
    }


def _table(build: Build, name: str) -> Record | None:
    """Rows and columns of a Parquet or CSV file."""
    path = build.verified_path(name) if name.endswith((".parquet", ".csv")) else None
    if path is None:
        return None
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        return {"file": name, "rows": file.metadata.num_rows, "columns": file.schema_arrow.names}
    table = read_csv(path)
    return {"file": name, "rows": len(table), "columns": list(table.columns)}
