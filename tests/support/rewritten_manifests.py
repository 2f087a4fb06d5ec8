"""Manifests rewritten so that they are consistent: what a forger does after changing data."""

import hashlib
import json
import os
from pathlib import Path

from affect4d import store
from affect4d.artifacts.dataset import CHECKSUMS, CROISSANT, DATASET
from affect4d.provenance.lineage import load_build
from affect4d.store.manifest import SUFFIX, files_below


def rewrite_manifests(root, edit=None):
    """Let every manifest state the files and inputs that are there, from first to last.

    Parameters
    ----------
    root : the results folder
    edit : called with an artifact's name and its manifest's content, which it may change, before
        fingerprint and digest are computed
    """
    build, done = load_build(root), set()

    def rewrite(name):
        if name in done or name not in build.manifests:
            return
        done.add(name)
        for source in build.sources(name):
            rewrite(source)
        _rewrite(build, name, edit)

    for name in build.manifests:
        rewrite(name)


def _rewrite(build, name, edit):
    path = build.root / name
    content = json.loads(path.read_bytes())
    before = json.dumps(content, sort_keys=True)
    if name == DATASET.name() + SUFFIX:
        _restate_dataset(build.root)
    content["files"] = [
        {
            "path": file["path"],
            "size": (path.parent / file["path"]).stat().st_size,
            "sha256": store.digest(path.parent / file["path"]),
        }
        for file in content["files"]
        if (path.parent / file["path"]).is_file()
    ]
    listed = {file["path"] for file in content["files"]}
    folder = path.with_name(path.name.removesuffix(SUFFIX) + ".zarr")
    for file in files_below(folder) if folder.is_dir() else []:
        relative = Path(os.path.relpath(file, path.parent)).as_posix()
        if relative not in listed:
            entry = {"path": relative, "size": file.stat().st_size, "sha256": store.digest(file)}
            content["files"].append(entry)
    content["files"].sort(key=lambda file: file["path"])
    content["inputs"] = {source: store.digest(build.root / source) for source in content["inputs"]}
    if edit:
        edit(content["artifact"], content)
    if json.dumps(content, sort_keys=True) == before:
        return
    described = {key: content[key] for key in ("inputs", "settings", "code", "versions")}
    content["fingerprint"] = hashlib.sha256(store.canonical(described)).hexdigest()
    del content["digest"]
    content["digest"] = hashlib.sha256(store.canonical(content)).hexdigest()
    path.unlink()
    path.write_bytes(store.canonical(content))


def _restate_dataset(root):
    """croissant.json and SHA256SUMS of the dataset's files as they are."""
    folder = root / DATASET.name()
    croissant = CROISSANT.path(root)
    content = json.loads(croissant.read_bytes())
    for part in content["distribution"]:
        if part["@type"] == "cr:FileObject":
            file = folder / part["contentUrl"]
            part["sha256"], part["contentSize"] = store.digest(file), f"{file.stat().st_size} B"
    replace_file(croissant, store.canonical(content))
    sums = CHECKSUMS.path(root)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != sums)
    lines = [f"{store.digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    replace_file(sums, "".join(lines).encode())


def replace_file(path, content):
    """Write a file anew: the old one may have another name, in a build that is only linked."""
    if path.exists() and path.read_bytes() == content:
        return
    path.unlink(missing_ok=True)
    path.write_bytes(content)
