"""Layout files: file-name patterns, codes and ranges of a database, checked at the door."""

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from affect4d.quarantine import BadInput


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class _Layout(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Photograph(_Layout):
    """A photograph in an installed package's data."""

    package: str
    image: str
    landmarks: str
    landmarks_package: str
    subject: str
    is_neutral: bool
    evidence: str


class EmbeddedLayout(_Layout):
    """Photographs that come with installed packages."""

    photographs: list[Photograph]


class FolderLayout(_Layout):
    """A folder of photographs; `name` has the groups `subject` and, where coded, `code`."""

    images: list[str]
    landmarks: list[str]
    name: Pattern
    neutral_codes: list[str] | None
    evidence: str


class AfewVaLayout(_Layout):
    """Clips of frames with one JSON each."""

    clip: Pattern
    images: list[str]
    low: float
    high: float
    first_pixel: int
    evidence: str


_KINDS: dict[str, type[_Layout]] = {
    "embedded": EmbeddedLayout,
    "folder": FolderLayout,
    "afew_va": AfewVaLayout,
}


def read_layout(path, adapter) -> Any:
    """The layout that an adapter reads from a .yaml file.

    Raises
    ------
    BadInput
        No such file, no YAML, or a key is missing, unknown or of the wrong kind.
    """
    try:
        return _KINDS[adapter].model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = sorted(file.stem for file in Path(__file__).parent.glob("*.yaml"))
        raise BadInput(
            path, "no such layout file", f"take one of {', '.join(known)}, or give a .yaml"
        ) from None
    except yaml.YAMLError as error:
        raise BadInput(path, f"no YAML ({' '.join(str(error).split())})", "mend it") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(path, f"{place}: {first['msg']}", f"see {adapter}.yaml") from None
