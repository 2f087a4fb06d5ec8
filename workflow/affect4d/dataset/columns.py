"""The dataset's columns as Parquet, Hugging Face and Croissant name their types."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from affect4d.artifacts.dataset import COLUMNS, MEASURES, QUALITY, QUALITY_COLUMN, REFUSING
from affect4d.artifacts.declaration import Column

_SCHEMA_ORG = {
    "image": "sc:ImageObject",
    "string": "sc:Text",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
}


def all_columns(names: list[str]) -> list[Column]:
    """`COLUMNS`, and those of `names` that are quality measures and vary."""
    measures = [name for name in names if name.startswith(QUALITY) and name not in REFUSING]
    return [*COLUMNS, *map(_quality_column, measures)]


def _quality_column(name: str) -> Column:
    """With the measure's own description, where it is one of this version's."""
    unit, description = MEASURES.get(name.removeprefix(QUALITY), ("", QUALITY_COLUMN.description))
    return replace(QUALITY_COLUMN, name=name, unit=unit, description=description)


def arrow_schema(columns: list[Column]) -> pa.Schema:
    """The Arrow schema, with the features by which Hugging Face's `datasets` decodes images."""
    return pa.schema([pa.field(column.name, _arrow(column.type)) for column in columns])


def hugging_face_features(
    columns: list[Column], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Hugging Face's features of the columns; `class` counts the names `classes`."""
    special: dict[str, dict[str, Any]] = {
        "image": {"_type": "Image"},
        "class": {"names": list(classes), "_type": "ClassLabel"},
    }
    return {
        column.name: special.get(column.name, {"dtype": column.type, "_type": "Value"})
        for column in columns
    }


def schema_org_type(column: Column) -> str:
    """The data type of a column in Croissant."""
    return _SCHEMA_ORG.get(column.type, "sc:Float")


def _arrow(name: str) -> pa.DataType:
    if name == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.type_for_alias(name)
