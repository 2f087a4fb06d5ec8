"""The crate's actions: the run of the workflow, each job as a tool's run, and what they used.

A job is a rule with its wildcards; the artifacts that it made one by one count as its results, so
that the crate of a build of thousands of sequences stays one of a few megabytes.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from affect4d.provenance.crate_files import (
    Entity,
    entity,
    identifier,
    reference,
    references,
    without_folders,
)
from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX

# Files from outside that one job used are described one by one up to so many.
_MAX_OUTSIDE = 100
_LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_LICENCE = "https://spdx.org/licenses/MIT"
_SNAKEMAKE = "https://snakemake.github.io"
_RUN, _ENGINE, _ENGINE_RUN = "#run", "#snakemake", "#run-of-snakemake"
_DATASET = "dataset" + SUFFIX

Job = tuple[str, str]  # rule and item


class Run:
    """What ran, as entities.

    Parameters
    ----------
    build : the artifacts
    snakefile : @id of the workflow
    engine : the version of Snakemake
    publisher : named as the agent of every action, if given
    """

    def __init__(self, build: Build, snakefile: str, *, engine: str, publisher: str | None) -> None:
        self.build, self.snakefile, self.engine = build, snakefile, engine
        self._agent = reference("#publisher") if publisher else None
        self._config = f"{Path(snakefile).parent.as_posix()}/config.json"
        # @id of every parameter: name, type, example
        self._parameters = {"#input-config": ("config", "File", self._config)}
        if _DATASET in build.manifests:
            self._parameters["#output-dataset"] = ("dataset", "Dataset", "dataset/")

    @property
    def actions(self) -> list[str]:
        """The actions that the crate mentions: the workflow's run, the engine's, every job's."""
        return [_RUN, _ENGINE_RUN, *map(_action, self.jobs)]

    def entities(self) -> list[Entity]:
        """Parameters, tools, steps, actions, packages and outside inputs."""
        return [
            *self._context(),
            *self._runs(),
            *(e for position, rule in enumerate(self.rules, 1) for e in self._step(rule, position)),
            *map(self._job, self.jobs),
            *self._packages(),
            *self._all_outside.values(),
        ]

    @cached_property
    def jobs(self) -> dict[Job, list[str]]:
        """The manifests that each job wrote."""
        jobs: dict[Job, list[str]] = {}
        for name in self.build.manifests:
            job = self.build.manifests[self._job_manifest(name)]
            jobs.setdefault((job.rule, job.item), []).append(name)
        return dict(sorted(jobs.items()))

    @cached_property
    def rules(self) -> list[str]:
        """The rules, each after those that it takes from."""
        above: dict[str, set[str]] = {}
        for name, sources in self._sources.items():
            rule = self.build.manifests[name].rule
            rules = {self.build.manifests[source].rule for source in sources}
            above.setdefault(rule, set()).update(rules - {rule})
        ordered: list[str] = []
        while len(ordered) < len(above):
            left = [rule for rule in sorted(above) if rule not in ordered]
            ordered += [rule for rule in left if above[rule] <= set(ordered)] or left
        return ordered

    def _job_manifest(self, name: str) -> str:
        """The manifest that represents an artifact: the job's that lists it, or its own."""
        return self.build.job(name) or name

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        """What each artifact was built from or lists, as far as it is in the build."""
        known = self.build.manifests
        return {name: [s for s in self.build.sources(name) if s in known] for name in known}

    def describe_workflow(self) -> dict[str, Any]:
        """What the main workflow's file is beside a file."""
        versions = {m.versions.get("affect4d", "") for m in self.build.manifests.values()}
        return entity(
            self.snakefile,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=f"affect4d ({Path(self.snakefile).name})",
            version=min(versions),
            license=reference(_LICENCE),
            conformsTo=reference(_BIOSCHEMAS),
            programmingLanguage=reference(_LANGUAGE),
            hasPart=references(map(_tool, self.rules)),
            step=references(f"#step-{rule}" for rule in self.rules),
            input=references(["#input-config"]),
            output=references(id_ for id_ in self._parameters if id_.startswith("#output")),
        )

    def _context(self) -> Iterator[Entity]:
        """What the workflow refers to: language, engine, parameters, profile and licence."""
        yield entity(_BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow 1.0")
        yield entity(_LICENCE, "CreativeWork", name="MIT License")
        yield entity(
            _LANGUAGE,
            "ComputerLanguage",
            name="Snakemake",
            identifier=_SNAKEMAKE,
            url=_SNAKEMAKE,
            version=self.engine,
        )
        yield _software(_ENGINE, "Snakemake", self.engine, url=_SNAKEMAKE)
        for id_, (name, kind, example) in self._parameters.items():
            yield entity(
                id_,
                "FormalParameter",
                name=name,
                additionalType=kind,
                workExample=reference(example),
            )

    def _runs(self) -> Iterator[Entity]:
        """The run of the workflow and the run of the engine."""
        final = [name for name in self.build.manifests if not self.build.users.get(name)]
        yield entity(
            _RUN,
            "CreateAction",
            name="Run of the workflow",
            description=f"{len(self.build.manifests)} artifacts of {len(self.jobs)} jobs",
            instrument=reference(self.snakefile),
            object=references([self._config, *self._all_outside]),
            result=references("dataset/" if n == _DATASET else identifier(n) for n in final),
            actionStatus="http://schema.org/CompletedActionStatus",
            agent=self._agent,
        )
        yield entity(
            _ENGINE_RUN,
            "OrganizeAction",
            name=f"Run of Snakemake {self.engine}",
            instrument=reference(_ENGINE),
            object=references(f"#control-{rule}" for rule in self.rules),
            result=reference(_RUN),
            agent=self._agent,
        )

    def _step(self, rule: str, position: int) -> Iterator[Entity]:
        """A rule: as a tool, as a step of the workflow, and the control of its jobs."""
        jobs = [job for job in self.jobs if job[0] == rule]
        made = [self.build.manifests[name] for job in jobs for name in self.jobs[job]]
        packages = sorted({p for manifest in made for p in manifest.versions.items()})
        yield _software(
            _tool(rule),
            f"affect4d, rule {rule}",
            ", ".join(sorted({m.versions.get("affect4d", "") for m in made})),
            description="code " + ", ".join(sorted({manifest.code for manifest in made})),
            softwareRequirements=references(_package(*package) for package in packages),
        )
        yield entity(
            f"#step-{rule}",
            "HowToStep",
            name=rule,
            position=str(position),
            workExample=reference(_tool(rule)),
        )
        yield entity(
            f"#control-{rule}",
            "ControlAction",
            name=f"Jobs of rule {rule}",
            instrument=reference(f"#step-{rule}"),
            object=references(map(_action, jobs)),
        )

    def _job(self, job: Job) -> Entity:
        rule, item = job
        names = self.jobs[job]
        sources = {source for name in names for source in self._sources[name]} - set(names)
        inputs = sorted({identifier(self._job_manifest(source)) for source in sources})
        settings = self.build.manifests[self._job_manifest(names[0])].settings
        return entity(
            _action(job),
            "CreateAction",
            name=f"{rule} {item}",
            description=json.dumps(
                without_folders(settings), sort_keys=True, separators=(",", ":")
            ),
            instrument=reference(_tool(rule)),
            object=references([*inputs, *self._outside[job]]),
            result=references(map(identifier, names)),
            agent=self._agent,
        )

    def _packages(self) -> list[Entity]:
        packages = {p for m in self.build.manifests.values() for p in m.versions.items()}
        return [_software(_package(*package), *package) for package in sorted(packages)]

    @cached_property
    def _outside(self) -> dict[Job, dict[str, Entity]]:
        """The entities of the files from outside that each job used."""
        return {job: self._outside_of(job) for job in self.jobs}

    def _outside_of(self, job: Job) -> dict[str, Entity]:
        inputs = {
            path: sha256
            for name in self.jobs[job]
            for path, sha256 in self.build.manifests[name].inputs.items()
            if self.build.owner(path) not in self.build.manifests
        }
        files = [(Path(path).name, sha256) for path, sha256 in sorted(inputs.items())]
        about = "From outside the build."
        if len(files) > _MAX_OUTSIDE:
            digests = "".join(sorted(inputs.values()))
            sha256 = hashlib.sha256(digests.encode()).hexdigest()
            files = [(f"{len(inputs)} files from outside the build", sha256)]
            about = "The manifests list them; the sha256 is that of theirs, sorted and joined."
        return {
            f"#outside-{sha256}": entity(
                f"#outside-{sha256}", "CreativeWork", name=name, description=about, sha256=sha256
            )
            for name, sha256 in files
        }

    @cached_property
    def _all_outside(self) -> dict[str, Entity]:
        entities = {id_: e for of_job in self._outside.values() for id_, e in of_job.items()}
        return dict(sorted(entities.items()))


def _action(job: Job) -> str:
    return f"#job-{job[0]}/{identifier(job[1])}"


def _tool(rule: str) -> str:
    return f"#rule-{rule}"


def _package(name: str, version: str) -> str:
    """The package URL of a version of a package."""
    return f"pkg:{'generic' if name == 'python' else 'pypi'}/{name}@{version}"


def _software(id_: str, name: str, version: str, **properties: Any) -> Entity:
    return entity(id_, "SoftwareApplication", name=name, softwareVersion=version, **properties)
