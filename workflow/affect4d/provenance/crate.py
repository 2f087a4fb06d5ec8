"""The build as a Workflow Run RO-Crate: what ran, on what, giving what, for programs of others.

Everything in it comes from the manifests of this build, so that the same build gives the same
bytes: it holds no time of day, host or user. Vocabulary: RO-Crate 1.1, Provenance Run Crate 0.5.
"""

import shutil
from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.provenance import lineage
from affect4d.provenance.crate_actions import Run
from affect4d.provenance.crate_files import Files, reference
from affect4d.provenance.lineage import Build
from affect4d.store import Provenance
from affect4d.store.manifest import SUFFIX

METADATA, FOLDER = "ro-crate-metadata.json", "crate"
RULE = "crate"
_RO_CRATE = "https://w3id.org/ro/crate/1.1"
_CONTEXT = [f"{_RO_CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}


def write_crate(
    snakefile: Path,
    workflow: list[Path],
    config: dict[str, Any],
    about: Settings,
    engine: str,
    provenance: Provenance,
) -> None:
    """Write `ro-crate-metadata.json`, the workflow's files in `crate/`, and their manifest.

    Parameters
    ----------
    snakefile : the workflow's main file
    workflow : its other files, all below the folder of `snakefile`
    config : the configuration of the build, as JSON values
    about : name, licence, publisher and date
    engine : the version of Snakemake
    provenance : its inputs are the manifests of the build; what they rest on is described too

    Raises
    ------
    StoreError
        A manifest is damaged or missing.
    """
    root = Path(provenance.root)
    manifest = root / f"{RULE}{SUFFIX}"
    manifest.unlink(missing_ok=True)
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    for path in [snakefile, *workflow]:
        copy = root / FOLDER / path.relative_to(snakefile.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (root / FOLDER / "config.json").write_bytes(store.canonical(config))
    build = _reachable(lineage.load(root), provenance)
    content = describe(build, f"{FOLDER}/{snakefile.name}", about, engine)
    with store.atomic(root / METADATA) as unfinished:
        unfinished.write_bytes(store.canonical(content))
    store.record(manifest, [root / METADATA, root / FOLDER], provenance)


def describe(build: Build, snakefile: str, about: Settings, engine: str) -> dict[str, Any]:
    """The crate's metadata as JSON-LD values.

    Parameters
    ----------
    build : the artifacts to describe
    snakefile : the main workflow, relative to the results folder; the folder it is in is described
        with all its files
    about : name, licence, publisher and date
    engine : the version of Snakemake
    """
    files = Files(build, Path(snakefile).parts[0])
    run = Run(build, snakefile, engine, about.publisher)
    files.described[snakefile] |= run.workflow()
    entities: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": reference("./"),
            "conformsTo": [reference(_RO_CRATE), reference(_WORKFLOW_CRATE)],
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": about.name,
            "description": "A build of affect4d: face images with valence and arousal, "
            "synthesized from neutral images, and every artifact on the way.",
            "datePublished": about.published,
            "license": reference("#licence"),
            "conformsTo": [reference(profile) for profile in _PROFILES],
            "hasPart": [reference(id_) for id_ in files.top],
            "mainEntity": reference(snakefile),
            "mentions": [reference(id_) for id_ in run.actions],
            **({"publisher": reference("#publisher")} if about.publisher else {}),
        },
        *(
            {"@id": id_, "@type": "CreativeWork", "name": name, "version": version}
            for id_, (name, version) in _PROFILES.items()
        ),
        {
            "@id": "#licence",
            "@type": "CreativeWork",
            "name": about.licence,
            "description": about.licence_note,
        },
        *_publisher(about),
        *run.entities(),
        *files.entities(),
    ]
    return {"@context": _CONTEXT, "@graph": [_compact(entity) for entity in entities]}


def _compact(entity: dict[str, Any]) -> dict[str, Any]:
    """As RO-Crate writes lists: one value stands alone, none not at all."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in entity.items()
        if value != []
    }


def _publisher(about: Settings) -> list[dict[str, Any]]:
    if not about.publisher:
        return []
    return [{"@id": "#publisher", "@type": "Organization", "name": about.publisher}]


def _reachable(build: Build, provenance: Provenance) -> Build:
    """The part of a build on which the inputs rest: what older configurations left is not in it."""
    names = [build.relative(Path(path).resolve()) for path in provenance.inputs]
    for name in names:
        store.read_manifest(build.root / name)
    found, queue = set(names), names
    while queue:
        above = {
            source for name in queue if name in build.manifests for source in build.sources(name)
        }
        queue = sorted(above - found)
        found.update(queue)
    for name in sorted(found & set(build.unreadable)):
        raise build.unreadable[name]
    kept = {name: manifest for name, manifest in build.manifests.items() if name in found}
    return Build(build.root, kept, {})
