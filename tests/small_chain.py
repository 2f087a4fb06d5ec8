"""A build in miniature whose bytes follow from inputs, settings, code and versions alone."""

import hashlib
from pathlib import Path

from affect4d import store
from affect4d.store import commit

# Each artifact: the rule that makes it, and the artifacts that it is made from.
CHAIN = {
    "gallery/scans/c0": ("gallery_scans", []),
    "gallery/scans/c1": ("gallery_scans", []),
    "registered/chunks/c0": ("registration", ["gallery/scans/c0"]),
    "registered/chunks/c1": ("registration", ["gallery/scans/c1"]),
    "affectspace/affectspace": ("affectspace", ["registered/chunks/c0", "registered/chunks/c1"]),
    "blendshapes/chunks/0": ("blendshapes", ["affectspace/affectspace"]),
    "neutrals/photos/neutrals": ("neutrals", []),
    "synthesis/photos/000": (
        "synthesis",
        ["blendshapes/chunks/0", "neutrals/photos/neutrals"],
    ),
}
# What jobs make one by one: the artifact and its job.
ITEMS = {
    "registered/s1": "registered/chunks/c0",
    "registered/s2": "registered/chunks/c1",
    "blendshapes/v+0.1_a+0.1": "blendshapes/chunks/0",
}
SETTINGS = {
    "registration": {"registration": {"resolution": 2.0, "nested": {"depth": 1}}},
    "synthesis": {"synthesis": {"intensity": 1.0}},
}


def build(root, photograph, settings=None, code=None, versions=None, idle=(), chance=None):
    """Build the chain under `root`.

    Parameters
    ----------
    root : the results folder
    photograph : a file outside, that `neutrals` is made from
    settings : rule -> settings in place of `SETTINGS`
    code : rule -> code in place of "c0"
    versions : package -> version; stands for the installed ones
    idle : rules whose bytes depend on their inputs only
    chance : rule -> what its bytes depend on beside all that a manifest states
    """
    settings, code = {**SETTINGS, **(settings or {})}, code or {}
    installed = {"python": "3.11.0", "numpy": "2.0.0", **(versions or {})}
    kept, commit.versions = commit.versions, lambda: installed
    try:
        for name, (rule, above) in CHAIN.items():
            outside = [photograph] if rule == "neutrals" else []
            stated = settings.get(rule, {})
            made_with = "" if rule in idle else f"{stated} {code.get(rule)} {installed['numpy']}"
            made_with += (chance or {}).get(rule, "")
            _make(Path(root), name, rule, above, outside, stated, code.get(rule, "c0"), made_with)
    finally:
        commit.versions = kept


def _make(root, name, rule, above, outside, settings, code, made_with):
    manifests = [root / f"{source}.manifest.json" for source in above]
    table = b"".join((root / f"{source}.bin").read_bytes() for source in above)
    content = hashlib.sha256(made_with.encode() + table)
    for path in outside:
        content.update(path.read_bytes())
    parts = [item for item, job in ITEMS.items() if job == name]
    files = []
    for item in parts:
        path = _write(root / f"{item}.bin", content.digest() + item.encode())
        # What an item is made from stands in its settings only: the rows that it concerns.
        stated = {**settings, "rows": hashlib.sha256(table).hexdigest()[:16]}
        provenance = store.Provenance(root, rule, Path(item).name, [], stated, code)
        store.record(root / f"{item}.manifest.json", [path], provenance)
        files.append(root / f"{item}.manifest.json")
    files.append(_write(root / f"{name}.bin", content.digest()))
    inputs = [*manifests, *outside]
    provenance = store.Provenance(root, rule, Path(name).name, inputs, settings, code)
    store.record(root / f"{name}.manifest.json", files, provenance)


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
