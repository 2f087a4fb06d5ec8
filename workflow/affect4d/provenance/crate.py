"""The build as a Workflow Run RO-Crate: what ran, on what, giving what, for other programs.

Everything in it comes from the manifests of this build, so that the same build gives the same
bytes: it holds no time of day, host or user, and of the user's folders only the last parts of their
paths. Vocabulary: RO-Crate 1.1, Provenance Run Crate 0.5.
"""

from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.pipeline.context import RunContext
from affect4d.provenance.crate_actions import Run
from affect4d.provenance.crate_files import (
    Entity,
    Files,
    entity,
    reference,
    references,
    without_folders,
)
from affect4d.provenance.lineage import Build, load_build
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


def write_crate(context: RunContext, *, workflow: list[Path], about: Settings, engine: str) -> None:
    """Write `ro-crate-metadata.json`, the workflow's files in `crate/`, and their manifest.

    Parameters
    ----------
    context : its inputs are the manifests of the build; what those were built from is described
        too. Its settings are the configuration of the build
    workflow : the main file, then the others, all below its folder
    about : name, licence, publisher and date
    engine : the version of Snakemake

    Raises
    ------
    StoreError
        A manifest is damaged or missing, or `crate/` holds files of others.
    """
    root, snakefile = context.root, workflow[0]
    manifest = root / f"{RULE}{SUFFIX}"
    with store.replace_folder(root / FOLDER, manifest) as folder:
        for path in workflow:
            copy = folder / path.relative_to(snakefile.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        (folder / "config.json").write_bytes(
            store.canonical(without_folders(dict(context.settings)))
        )
    build = _reachable(load_build(root), context.inputs)
    content = describe_build(build, f"{FOLDER}/{snakefile.name}", about=about, engine=engine)
    with store.atomic(root / METADATA) as unfinished:
        unfinished.write_bytes(store.canonical(content))
    store.record(manifest, [root / METADATA, root / FOLDER], context.provenance())


def describe_build(build: Build, snakefile: str, *, about: Settings, engine: str) -> dict[str, Any]:
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
    run = Run(build, snakefile, engine=engine, publisher=about.publisher)
    files.described[snakefile] |= run.describe_workflow()
    publisher = [entity("#publisher", "Organization", name=about.publisher)]
    entities: list[Entity] = [
        entity(
            METADATA,
            "CreativeWork",
            about=reference("./"),
            conformsTo=references([_RO_CRATE, _WORKFLOW_CRATE]),
        ),
        entity(
            "./",
            "Dataset",
            name=about.name,
            description="A build of affect4d: face images with valence and arousal, "
            "synthesized from neutral images, and every artifact on the way.",
            datePublished=about.published,
            license=reference("#licence"),
            conformsTo=references(_PROFILES),
            hasPart=references(files.top_level),
            mainEntity=reference(snakefile),
            mentions=references(run.actions),
            publisher=reference("#publisher") if about.publisher else None,
        ),
        *(
            entity(id_, "CreativeWork", name=name, version=version)
            for id_, (name, version) in _PROFILES.items()
        ),
        entity("#licence", "CreativeWork", name=about.licence, description=about.licence_note),
        *(publisher if about.publisher else []),
        *run.entities(),
        *files.entities(),
    ]
    return {"@context": _CONTEXT, "@graph": entities}


def _reachable(build: Build, inputs: tuple[Path, ...]) -> Build:
    """What the inputs were built from: what older configurations left is not in it."""
    names = [build.relative(path.resolve()) for path in inputs]
    for name in names:
        store.read_manifest(build.root / name)
    reached = build.ancestors(*names)
    sources = {source for name in reached for source in build.sources(name)}
    for name in sorted(sources.union(names) & set(build.unreadable)):
        raise build.unreadable[name]
    return Build(build.root, {name: build.manifests[name] for name in sorted(reached)}, {})
