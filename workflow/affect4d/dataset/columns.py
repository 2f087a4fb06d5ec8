"""The dataset's columns as Parquet, Hugging Face and Croissant name their types."""

from dataclasses import replace
from typing import Any

import pyarrow as pa

from affect4d.artifacts.dataset import COLUMNS, QUALITY, QUALITY_COLUMN
from affect4d.artifacts.declaration import Column

_SCHEMA_ORG = {
    "image": "sc:ImageObject",
    "string": "sc:Text",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
}


def all_columns(names: list[str]) -> list[Column]:
    """`COLUMNS`, and those of `names` that are quality measures."""
    measures = [name for name in names if name.startswith(QUALITY)]
    return [*COLUMNS, *(replace(QUALITY_COLUMN, name=name) for name in measures)]


def arrow_schema(columns: list[Column]) -> pa.Schema:
    """The Arrow schema, with the features by which Hugging Face's `datasets` decodes images."""
    return pa.schema([pa.field(column.name, _arrow(column.type)) for column in columns])


def hugging_face_features(columns: list[Column]) -> dict[str, dict[str, Any]]:
    """Hugging Face's features of the columns."""
    return {
        column.name: {"_type": "Image"}
        if column.type == "image"
        else {"dtype": column.type, "_type": "Value"}
        for column in columns
    }


def schema_org_type(column: Column) -> str:
    """The data type of a column in Croissant."""
    return _SCHEMA_ORG.get(column.type, "sc:Float")


def _arrow(name: str) -> pa.DataType:
    if name == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.type_for_alias(name)
