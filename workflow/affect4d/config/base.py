"""What every configuration section shares: no unknown keys, a description and a unit a field."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the configuration; unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """A field with its unit ("1" where it has none) and a description.

    `limits` are pydantic's (`gt`, `ge`, `lt`, `le`, `min_length`, `pattern`, ...).
    """
    extra: dict[str, Any] = {"unit": unit}
    if callable(default):
        return Field(
            default_factory=default, description=description, json_schema_extra=extra, **limits
        )
    return Field(default=default, description=description, json_schema_extra=extra, **limits)
