"""The whole configuration: `load` checks it, `schema` describes it."""

import difflib
import json
import re
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError, field_validator

from affect4d.config import affectspace as affectspace_room
from affect4d.config import blendshapes as blendshapes_room
from affect4d.config import dataset as dataset_room
from affect4d.config import fitting as fitting_room
from affect4d.config import gallery as gallery_room
from affect4d.config import neutrals as neutrals_room
from affect4d.config import registration as registration_room
from affect4d.config import synthesis as synthesis_room
from affect4d.config import validation as validation_room
from affect4d.config.base import Section, field

_RESULTS = re.compile(r"[A-Za-z0-9._/+-]+")


class ConfigError(ValueError):
    """The configuration breaks a rule; `str()` holds one line a mistake."""


class TemplateSettings(Section):
    """The mesh whose topology everything shares."""

    mesh: str | None = field(
        None, "1", "OBJ or PLY in mm (the LSFM mean, say); menpo3d's LSFM-lineage face if absent."
    )
    landmarks: str | None = field(None, "1", "Its 68 landmarks (.pts or .ljson) in mm.")


class Project(Section):
    """Every setting of a build; as it stands it runs the embedded gallery."""

    results: str = field("results", "1", "Folder that receives everything that is built.")
    strict: bool = field(
        False,
        "1",
        "Stop at the first bad input instead of putting it into quarantine. It concerns what is "
        "built from then on; what is built already stays.",
    )
    seed: int = field(0, "1", "Mixed into every named random stream.", ge=0)
    template: TemplateSettings = field(TemplateSettings, "1", "The common topology.")
    gallery: gallery_room.Settings = field(gallery_room.Settings, "1", "Where scans come from.")
    registration: registration_room.Settings = field(
        registration_room.Settings, "1", "How scans are brought to the template."
    )
    affectspace: affectspace_room.Settings = field(
        affectspace_room.Settings, "1", "How the valence-arousal plane is cut."
    )
    blendshapes: blendshapes_room.Settings = field(
        blendshapes_room.Settings, "1", "The sparse localized model a class."
    )
    validation: validation_room.Settings = field(
        validation_room.Settings, "1", "Does shape carry affect? Table 1."
    )
    neutrals: neutrals_room.Settings = field(
        neutrals_room.Settings, "1", "Where photographs come from."
    )
    fitting: fitting_room.Settings = field(fitting_room.Settings, "1", "The 3D morphable model.")
    synthesis: synthesis_room.Settings = field(
        synthesis_room.Settings, "1", "How affect is imposed on photographs."
    )
    dataset: dataset_room.Settings = field(dataset_room.Settings, "1", "What is published.")

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
        One line a mistake: file, key, rule, remedy.
    """
    try:
        return Project.model_validate(config)
    except ValidationError as error:
        lines = [_line(file, problem) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _line(file: str, problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(problem["loc"])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{file}: {place}: unknown key; {remedy}"
    rule = problem["msg"].removeprefix("Value error, ")
    shown = repr(problem.get("input"))
    return f"{file}: {place}: {rule}; correct the value {shown[:80]}"


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    node, definitions = schema(), schema()["$defs"]
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
    """The configuration's JSON schema, with a description and a unit on each field."""
    return Project.model_json_schema()


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, sort_keys=True))
