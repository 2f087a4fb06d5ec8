"""The complete configuration: `load` checks it, `schema` describes it."""

import json
import re
import reprlib
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError, field_validator
from pydantic_core import ErrorDetails

from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.config.base import Section, field, suggest
from affect4d.config.blendshapes import Settings as BlendshapesSettings
from affect4d.config.dataset import Settings as DatasetSettings
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.gallery import Settings as GallerySettings
from affect4d.config.neutrals import Settings as NeutralsSettings
from affect4d.config.paths import SourcePath, check_results_folder, missing_sources
from affect4d.config.readers import Settings as ReadersSettings
from affect4d.config.registration import Settings as RegistrationSettings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.config.validation import Settings as ValidationSettings
from affect4d.formats.content import read_yaml
from affect4d.quarantine import BadInput

_RESULTS = re.compile(r"[A-Za-z0-9._/+-]+")
ADAPT_PEOPLE = 16  # their mean misses that of all people by a quarter of the spread
_MAX_SHOWN = 80  # characters of a wrong value that a message shows


class ConfigError(ValueError):
    """The configuration breaks a rule; `str()` holds one line per mistake."""


class TemplateSettings(Section):
    """The mesh whose topology all registered scans share."""

    mesh: SourcePath | None = field(
        None,
        "",
        "OBJ or PLY in mm (such as the LSFM mean); by default menpo3d's LSFM-lineage face.",
    )
    landmarks: SourcePath | None = field(None, "", "Its 68 landmarks (.pts or .ljson) in mm.")
    adapt_people: int | None = field(
        None,
        "people",
        "Move the template to the mean of so many people's neutral scans; 0: as it is given. By "
        f"default {ADAPT_PEOPLE} where scans are your own (`manifest`), and as it is given where "
        "the gallery is made.",
        ge=0,
    )


class Project(Section):
    """Every setting of a build; the defaults build the embedded gallery."""

    results: str = field("results", "", "Folder that receives everything that is built.")
    strict: bool = field(
        False,
        "",
        "Stop at the first bad input instead of quarantining it. It applies to what is built from "
        "then on; what is built already stays.",
    )
    seed: int = field(0, "", "Seed of every random generator.", ge=0)
    engine: Literal["in-process", "dask", "dask-jobqueue"] = field(
        "in-process",
        "",
        "What computes the parts of a job (sequences, classes, photographs, blocks of frames): the "
        "job itself, a local cluster of Dask as large as the job, or Dask workers in Slurm's queue "
        "for the time of one run.",
    )
    engine_workers: int = field(4, "workers", "Jobs that `dask-jobqueue` submits.", ge=1)
    template: TemplateSettings = field(TemplateSettings, "", "The common topology.")
    gallery: GallerySettings = field(GallerySettings, "", "Where scans come from.")
    registration: RegistrationSettings = field(
        RegistrationSettings, "", "How scans are brought into the template's topology."
    )
    affectspace: AffectSpaceSettings = field(
        AffectSpaceSettings, "", "How the valence-arousal plane is divided."
    )
    blendshapes: BlendshapesSettings = field(
        BlendshapesSettings, "", "The sparse localized model of each class."
    )
    validation: ValidationSettings = field(
        ValidationSettings, "", "Does shape carry affect? Table 1."
    )
    neutrals: NeutralsSettings = field(NeutralsSettings, "", "Where photographs come from.")
    fitting: FittingSettings = field(FittingSettings, "", "The 3D morphable model.")
    synthesis: SynthesisSettings = field(
        SynthesisSettings, "", "How affect is imposed on photographs."
    )
    readers: ReadersSettings = field(
        ReadersSettings, "", "Whether images show their labels, to networks of others."
    )
    dataset: DatasetSettings = field(DatasetSettings, "", "What is published.")

    @property
    def adapts_template(self) -> bool:
        """Whether the template moves to the mean of the gallery's people."""
        people = self.template.adapt_people
        return self.gallery.source == "manifest" if people is None else people > 0

    @field_validator("results")
    @classmethod
    def _plain_folder(cls, value: str) -> str:
        if not _RESULTS.fullmatch(value) or ".." in PurePosixPath(value).parts:
            raise ValueError("use a folder without '..', spaces or special characters")
        return value.rstrip("/") or value


def load(config: dict[str, Any], file: str = "config.yaml") -> Project:
    """Check a configuration.

    Raises
    ------
    ConfigError
        One line per mistake: file, key, rule, remedy.
    """
    try:
        project = Project.model_validate(config)
        check_results_folder(project.results, project)
        return project
    except ValidationError as error:
        lines = [_line(file, problem) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    except ValueError as error:
        raise ConfigError(f"{file}: results: {_shown(config['results'])}: {error}") from None


def check_sources(project: Project, file: str = "config.yaml") -> None:
    """Refuse a configuration whose own files and folders are missing or empty.

    Raises
    ------
    ConfigError
        One line per path.
    """
    others = GallerySettings.model_fields.keys() - {project.gallery.source}
    unused = tuple(f"gallery.{name}." for name in others)
    lines = [
        f"{file}: {key}: {path}: {fault}"
        for key, path, fault in missing_sources(project)
        if not key.startswith(unused)
    ]
    if lines:
        raise ConfigError("\n".join(lines))


def check_file(path: Path | str) -> bool:
    """Refuse a configuration file that Snakemake would take long to read, or read in part.

    Returns
    -------
    bool
        Whether it has any key.

    Raises
    ------
    ConfigError
        It is no YAML mapping, gives a key twice, or is nested, expanded or large beyond need.
    """
    try:
        content = read_yaml(path, "configuration")
    except BadInput as problem:
        raise ConfigError(str(problem)) from None
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping; write lines `key: value`, such as `seed: 0`")
    return bool(content)


def _line(file: str, problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    rule, value = problem["msg"].removeprefix("Value error, "), problem.get("input")
    remedy, cause = f"correct the value {_shown(value)}", problem.get("ctx", {}).get("error")
    if isinstance(cause, BadInput):
        rule, remedy = f"{cause.file}: {cause.rule}", cause.remedy
    if problem["type"] == "extra_forbidden":
        rule, remedy = "unknown key", suggest(str(problem["loc"][-1]), _keys_beside(problem["loc"]))
    return f"{file}: {key}: {rule}; {remedy}"


def _shown(value: Any) -> str:
    """A wrong value, without following what aliases of YAML repeat in it."""
    return reprlib.repr(value)[:_MAX_SHOWN]


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known at the level of an unknown one."""
    node = schema()
    definitions = node["$defs"]
    for part in location[:-1]:
        if "properties" in node:
            node = node["properties"].get(str(part), {})
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        while "$ref" in node or "allOf" in node:
            reference = node.get("$ref") or node["allOf"][0]["$ref"]
            node = definitions[reference.rsplit("/", 1)[-1]]
    return sorted(node.get("properties", {}))


def schema() -> dict[str, Any]:
    """The configuration's JSON schema, with each field's description and unit."""
    return Project.model_json_schema()


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, sort_keys=True))
