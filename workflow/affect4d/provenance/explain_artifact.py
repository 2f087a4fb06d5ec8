"""Explain an artifact, or one of its files: its rule, what it was built from, what uses it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from affect4d import store
from affect4d.artifacts.registry import find_artifact, find_store
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest, StoreError
from affect4d.store.manifest import SUFFIX


def manifest_named(build: Build, artifact: str) -> Manifest:
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
        raise StoreError(build.root / name, "is missing", "run `affect4d audit`")
    return build.manifests[name]


def artifact(build: Build, name: str) -> dict[str, Any]:
    """The record of an artifact."""
    manifest = manifest_named(build, name)
    key = name + SUFFIX
    declared = find_artifact(name)
    record: dict[str, Any] = {
        "what": declared.description if declared else f"an artifact of rule {manifest.rule}",
        "rule": manifest.rule,
        "item": manifest.item,
        "job": _job(build, key),
        "built_from": _sources(build, manifest),
        "used_by": _users(build, key),
        "files": {
            "count": len(manifest.files),
            "bytes": sum(file.size for file in manifest.files),
            "each": [vars(file) for file in manifest.files],
        },
    }
    return (
        record
        | _content(build, name, manifest)
        | {
            "settings": manifest.settings,
            "code": manifest.code,
            "fingerprint": manifest.fingerprint,
            "versions": manifest.versions,
        }
    )


def file(build: Build, path: str) -> dict[str, Any]:
    """The record of a listed file: its digest, and the artifact it is part of."""
    owner, sha256 = build.owners[path]
    listed = zip(build.listed(owner), build.manifests[owner].files, strict=True)
    size = next(file.size for name, file in listed if name == path)
    name = owner.removesuffix(SUFFIX)
    record = artifact(build, name)
    what = f"a file of {name}: {record.pop('what')}"
    return {"what": what, "size": size, "sha256": sha256, "artifact": name} | record


def steps(build: Build, behind: Iterable[str]) -> dict[str, Any]:
    """Settings and code of each rule on the way, nearest first, and the packages' versions."""
    names = [name + SUFFIX for name in behind]
    every = names + [above for name in names for above in build.ancestors(name)]
    rules: dict[str, dict] = {}
    versions: dict[str, set[str]] = {}
    for name in dict.fromkeys(every):
        manifest = manifest_named(build, name.removesuffix(SUFFIX))
        about = {"artifact": manifest.artifact, "settings": manifest.settings}
        rules.setdefault(manifest.rule, about | {"code": manifest.code})
        for package, version in manifest.versions.items():
            versions.setdefault(package, set()).add(version)
    shown = {package: ", ".join(sorted(found)) for package, found in sorted(versions.items())}
    return {"steps": rules, "versions": shown}


def named(names: list[str], values: Any) -> dict[str, float]:
    """Values by their names."""
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A table's row as JSON values: null where a value is missing, NumPy's scalars as Python's."""
    return {
        key: None if pd.isna(value) else value.item() if hasattr(value, "item") else value
        for key, value in row.items()
    }


def _job(build: Build, key: str) -> str | None:
    """The manifest of the job that made this artifact as one of several."""
    rule = build.manifests[key].rule
    for user in build.users.get(key, ()):
        manifest = build.manifests[user]
        if manifest.rule == rule and key in build.listed(user):
            return manifest.artifact
    return None


def _sources(build: Build, manifest: Manifest) -> dict[str, Any]:
    """What an artifact was built from, at one remove."""
    inside: dict[str, str] = {}
    outside = []
    for path, sha256 in manifest.inputs.items():
        owner = path if path.endswith(SUFFIX) else build.owners.get(path, ("",))[0]
        if owner in build.manifests:
            inside[owner] = build.manifests[owner].rule
        else:
            outside.append({"file": path, "sha256": sha256})
    listed = build.listed(manifest.artifact + SUFFIX)
    parts = [name.removesuffix(SUFFIX) for name in listed if name.endswith(SUFFIX)]
    return {
        "rules": dict(sorted(Counter(inside.values()).items())),
        "artifacts": [{"artifact": k.removesuffix(SUFFIX), "rule": v} for k, v in inside.items()],
        "outside": outside,
        **({"parts": parts} if parts else {}),
    }


def _users(build: Build, key: str) -> dict[str, Any]:
    """What was built from an artifact: at one remove, and in all, counted by rule."""
    direct = build.users.get(key, [])
    return {
        "artifacts": [name.removesuffix(SUFFIX) for name in dict.fromkeys(direct)],
        "in_all": _by_rule(build, build.dependents({key})),
    }


def _by_rule(build: Build, names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(build.manifests[name].rule for name in names).items()))


def _content(build: Build, name: str, manifest: Manifest) -> dict[str, Any]:
    """The arrays of a store, or the tables among an artifact's files."""
    path = build.root / f"{name}.zarr"
    if path.is_dir():
        opened, declared = store.open(path), find_store(name)
        arrays = []
        for array in opened:
            known = declared.array(array) if declared else None
            unit = known.unit if known else opened[array].attributes.get("unit")
            arrays.append(
                {
                    "name": array,
                    "shape": list(opened[array].shape),
                    "dtype": str(opened[array].dtype),
                    "unit": unit or None,
                    "description": known.description if known else None,
                }
            )
        return {"arrays": arrays, "attributes": sorted(opened.attributes)}
    names = build.listed(manifest.artifact + SUFFIX)
    tables = [table for name in names if (table := _table(build, name))]
    return {"tables": tables} if tables else {}


def _table(build: Build, name: str) -> dict[str, Any] | None:
    """Rows and columns of a Parquet or CSV file."""
    path = build.verified_path(name) if name.endswith((".parquet", ".csv")) else None
    if path is None:
        return None
    if path.suffix == ".parquet":
        metadata = pq.ParquetFile(path)
        rows, columns = metadata.metadata.num_rows, metadata.schema_arrow.names
    else:
        table = pd.read_csv(path, dtype=str)
        rows, columns = len(table), list(table.columns)
    return {"file": name, "rows": rows, "columns": columns}
