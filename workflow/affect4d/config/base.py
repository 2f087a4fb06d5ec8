"""What every section of the configuration shares: no unknown keys, a unit per field."""

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the configuration; unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """A field with its default (or a function that makes it), unit and description.

    The unit is "1" for ratios and other bare numbers, "" for paths, names, flags and sections.
    `limits` are pydantic's (`gt`, `ge`, `lt`, `le`, `min_length`, `pattern`, ...).
    """
    key = "default_factory" if callable(default) else "default"
    return Field(
        **{key: default},
        description=description,
        json_schema_extra={"unit": unit} if unit else None,
        **limits,
    )


def suggest(wrong: str, known: Sequence[str]) -> str:
    """The remedy for a name that is none of the known ones."""
    close = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
