"""The crate's actions: the run of the workflow, each job as a tool's run, and what they used.

A job is a rule with its wildcards; the artifacts that it made one by one count as its results, so
that the crate of a build of thousands of sequences stays one of a few megabytes.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from affect4d.provenance.crate_files import identifier, reference
from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX

# Files from outside that one job used are described one by one up to so many.
_FEW = 100
_LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_LICENCE = "https://spdx.org/licenses/MIT"
_SNAKEMAKE = "https://snakemake.github.io"
_RUN, _ENGINE, _ENGINE_RUN = "#run", "#snakemake", "#run-of-snakemake"


class Run:
    """What ran, as entities.

    Parameters
    ----------
    build : the artifacts
    snakefile : @id of the workflow
    engine : the version of Snakemake
    publisher : named as the agent of every action, if given
    """

    def __init__(self, build: Build, snakefile: str, engine: str, publisher: str | None):
        self.build, self.snakefile, self.engine = build, snakefile, engine
        self.agent = {"agent": reference("#publisher")} if publisher else {}

    @property
    def actions(self) -> list[str]:
        """The actions that the crate mentions: the workflow's run, the engine's, every job's."""
        return [_RUN, _ENGINE_RUN, *map(_action, self.jobs)]

    def entities(self) -> list[dict[str, Any]]:
        """Parameters, tools, steps, actions, packages and outside inputs."""
        return [
            *self._context(),
            *self._runs(),
            *(e for position, rule in enumerate(self.rules, 1) for e in self._step(rule, position)),
            *(self._job(job) for job in self.jobs),
            *self._packages(),
            *self._outside_entities().values(),
        ]

    @cached_property
    def jobs(self) -> dict[tuple[str, str], list[str]]:
        """(rule, item) -> the manifests that this job wrote."""
        jobs: dict[tuple[str, str], list[str]] = {}
        for name in self.build.manifests:
            job = self.build.manifests[self._represented(name)]
            jobs.setdefault((job.rule, job.item), []).append(name)
        return dict(sorted(jobs.items()))

    @cached_property
    def rules(self) -> list[str]:
        """The rules, each after those that it takes from."""
        above: dict[str, set[str]] = {}
        for name, manifest in self.build.manifests.items():
            known = [
                source for source in self.build.sources(name) if source in self.build.manifests
            ]
            rules = {self.build.manifests[source].rule for source in known}
            above.setdefault(manifest.rule, set()).update(rules - {manifest.rule})
        ordered: list[str] = []
        while len(ordered) < len(above):
            left = [rule for rule in sorted(above) if rule not in ordered]
            ready = [rule for rule in left if above[rule] <= set(ordered)]
            ordered += ready or left
        return ordered

    def _represented(self, name: str) -> str:
        """The manifest that stands for an artifact: the job's that lists it, or its own."""
        rule = self.build.manifests[name].rule
        if rule not in self._itemised:
            return name
        users = self.build.users.get(name, ())
        return min((u for u in users if self.build.manifests[u].rule == rule), default=name)

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        """What each artifact was built from or lists, as far as it is in the build."""
        known = self.build.manifests
        return {name: [s for s in self.build.sources(name) if s in known] for name in known}

    @cached_property
    def _itemised(self) -> set[str]:
        """The rules whose jobs list manifests of their own."""
        known = self.build.manifests
        return {
            known[name].rule
            for name, sources in self._sources.items()
            if any(known[source].rule == known[name].rule for source in sources)
        }

    def workflow(self) -> dict[str, Any]:
        """What the main workflow's file is beside a file."""
        outputs = ["#output-dataset"] if self._published else []
        return {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": f"affect4d ({Path(self.snakefile).name})",
            "version": min(m.versions.get("affect4d", "") for m in self.build.manifests.values()),
            "license": reference(_LICENCE),
            "conformsTo": reference(_BIOSCHEMAS),
            "programmingLanguage": reference(_LANGUAGE),
            "hasPart": [reference(_tool(rule)) for rule in self.rules],
            "step": [reference(f"#step-{rule}") for rule in self.rules],
            "input": [reference("#input-config")],
            "output": [reference(id_) for id_ in outputs],
        }

    def _context(self) -> list[dict[str, Any]]:
        """What the workflow refers to: language, engine, parameters, profile and licence."""
        config = f"{Path(self.snakefile).parent.as_posix()}/config.json"
        dataset = _parameter("#output-dataset", "dataset", "Dataset", "dataset/")
        return [
            {"@id": _BIOSCHEMAS, "@type": "CreativeWork", "name": "ComputationalWorkflow 1.0"},
            {"@id": _LICENCE, "@type": "CreativeWork", "name": "MIT License"},
            {
                "@id": _LANGUAGE,
                "@type": "ComputerLanguage",
                "name": "Snakemake",
                "identifier": _SNAKEMAKE,
                "url": _SNAKEMAKE,
                "version": self.engine,
            },
            {
                "@id": _ENGINE,
                "@type": "SoftwareApplication",
                "name": "Snakemake",
                "url": _SNAKEMAKE,
                "softwareVersion": self.engine,
            },
            _parameter("#input-config", "config", "File", config),
            *([dataset] if self._published else []),
        ]

    @property
    def _published(self) -> bool:
        return "dataset" + SUFFIX in self.build.manifests

    def _runs(self) -> list[dict[str, Any]]:
        """The run of the workflow and the run of the engine."""
        config = f"{Path(self.snakefile).parent}/config.json"
        final = [n for n in self.build.manifests if not self.build.users.get(n)]
        results = ["dataset/" if n == "dataset" + SUFFIX else identifier(n) for n in final]
        return [
            {
                "@id": _RUN,
                "@type": "CreateAction",
                "name": "Run of the workflow",
                "description": f"{len(self.build.manifests)} artifacts of {len(self.jobs)} jobs",
                "instrument": reference(self.snakefile),
                "object": [reference(id_) for id_ in (config, *self._outside_entities())],
                "result": [reference(id_) for id_ in results],
                "actionStatus": "http://schema.org/CompletedActionStatus",
                **self.agent,
            },
            {
                "@id": _ENGINE_RUN,
                "@type": "OrganizeAction",
                "name": f"Run of Snakemake {self.engine}",
                "instrument": reference(_ENGINE),
                "object": [reference(f"#control-{rule}") for rule in self.rules],
                "result": reference(_RUN),
                **self.agent,
            },
        ]

    def _step(self, rule: str, position: int) -> Iterable[dict[str, Any]]:
        """A rule: as a tool, as a step of the workflow, and the control of its jobs."""
        jobs = [job for job in self.jobs if job[0] == rule]
        made = [self.build.manifests[name] for job in jobs for name in self.jobs[job]]
        packages = sorted({p for manifest in made for p in manifest.versions.items()})
        yield {
            "@id": _tool(rule),
            "@type": "SoftwareApplication",
            "name": f"affect4d, rule {rule}",
            "description": "code " + ", ".join(sorted({manifest.code for manifest in made})),
            "softwareVersion": ", ".join(sorted({m.versions.get("affect4d", "") for m in made})),
            "softwareRequirements": [reference(_package(*package)) for package in packages],
        }
        yield {
            "@id": f"#step-{rule}",
            "@type": "HowToStep",
            "name": rule,
            "position": str(position),
            "workExample": reference(_tool(rule)),
        }
        yield {
            "@id": f"#control-{rule}",
            "@type": "ControlAction",
            "name": f"Jobs of rule {rule}",
            "instrument": reference(f"#step-{rule}"),
            "object": [reference(_action(job)) for job in jobs],
        }

    def _job(self, job: tuple[str, str]) -> dict[str, Any]:
        rule, item = job
        names = self.jobs[job]
        made = set(names)
        sources = {
            identifier(self._represented(source))
            for name in names
            for source in self._sources[name]
            if source not in made
        }
        settings = self.build.manifests[self._represented(names[0])].settings
        return {
            "@id": _action(job),
            "@type": "CreateAction",
            "name": f"{rule} {item}",
            "description": json.dumps(settings, sort_keys=True, separators=(",", ":")),
            "instrument": reference(_tool(rule)),
            "object": [reference(id_) for id_ in (*sorted(sources), *self._outside[job])],
            "result": [reference(identifier(name)) for name in names],
            **self.agent,
        }

    def _packages(self) -> list[dict[str, Any]]:
        found = {p for m in self.build.manifests.values() for p in m.versions.items()}
        return [
            {
                "@id": _package(name, version),
                "@type": "SoftwareApplication",
                "name": name,
                "softwareVersion": version,
            }
            for name, version in sorted(found)
        ]

    @cached_property
    def _outside(self) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
        """The entities of the files from outside that each job used."""
        return {job: self._outside_of(job) for job in self.jobs}

    def _outside_of(self, job: tuple[str, str]) -> dict[str, dict[str, Any]]:
        inputs = {
            path: sha256
            for name in self.jobs[job]
            for path, sha256 in self.build.manifests[name].inputs.items()
            if path not in self.build.owners and path not in self.build.manifests
        }
        if len(inputs) > _FEW:
            digests = "".join(sorted(inputs.values()))
            sha256 = hashlib.sha256(digests.encode()).hexdigest()
            name = f"{len(inputs)} files from outside the build"
            what = "The manifests list them; the sha256 is that of theirs, sorted and joined."
            return {f"#outside-{sha256}": _outside_entity(sha256, name, what)}
        return {
            f"#outside-{sha256}": _outside_entity(
                sha256, Path(path).name, "From outside the build."
            )
            for path, sha256 in sorted(inputs.items())
        }

    def _outside_entities(self) -> dict[str, dict[str, Any]]:
        every = {id_: e for found in self._outside.values() for id_, e in found.items()}
        return dict(sorted(every.items()))


def _action(job: tuple[str, str]) -> str:
    return f"#job-{job[0]}/{identifier(job[1])}"


def _tool(rule: str) -> str:
    return f"#rule-{rule}"


def _package(name: str, version: str) -> str:
    """The package URL of a version of a package."""
    return f"pkg:{'generic' if name == 'python' else 'pypi'}/{name}@{version}"


def _parameter(id_: str, name: str, kind: str, example: str) -> dict[str, Any]:
    return {
        "@id": id_,
        "@type": "FormalParameter",
        "name": name,
        "additionalType": kind,
        "workExample": reference(example),
    }


def _outside_entity(sha256: str, name: str, what: str) -> dict[str, Any]:
    return {
        "@id": f"#outside-{sha256}",
        "@type": "CreativeWork",
        "name": name,
        "description": what,
        "sha256": sha256,
    }
