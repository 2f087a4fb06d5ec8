"""The dataset's columns, stated once for Parquet, Hugging Face, Croissant and the card."""

from dataclasses import dataclass

import pyarrow as pa

QUALITY = "quality_"  # prefix of the columns of synthesis's quality measures


@dataclass(frozen=True)
class Column:
    """A column: its Arrow type (named as Hugging Face names it), its unit and what it means."""

    name: str
    type: str
    unit: str
    description: str


COLUMNS = (
    Column("image", "image", "RGB, 8 bits", "The encoded image: bytes and file name."),
    Column("image_id", "string", "", "Unique name of the image."),
    Column("class", "int64", "", "Class of the valence-arousal plane; -1: the neutral image."),
    Column("class_name", "string", "", "The class by its centre; neutral: the neutral image."),
    Column("valence", "float64", "[-1, 1]", "Median valence of the class; null: neutral image."),
    Column("arousal", "float64", "[-1, 1]", "Median arousal of the class; null: neutral image."),
    Column("sample", "int64", "", "Face drawn from the class's model; -1: the class mean."),
    Column("interpolated", "bool", "", "Whether other classes' frames are behind it, not its own."),
    Column("kind", "string", "", "What was edited: photograph (real) or rendered (synthetic)."),
    Column("database", "string", "", "Where the neutral image comes from."),
    Column("subject", "string", "", "Person, unique within the database."),
    Column("neutral_image_id", "string", "", "image_id of the neutral image it was made from."),
    Column("split", "string", "", "train, validation or test; no subject is in two of them."),
)

_SCHEMA_ORG = {
    "image": "sc:ImageObject",
    "string": "sc:Text",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
}


def all_columns(names: list[str]) -> list[Column]:
    """`COLUMNS`, and those of `names` that are quality measures."""
    measures = [name for name in names if name.startswith(QUALITY)]
    described = "Measured while synthesizing; null: neutral image."
    return [*COLUMNS, *(Column(name, "float32", "", described) for name in measures)]


def schema(columns: list[Column]) -> pa.Schema:
    """The Arrow schema, with the features by which Hugging Face's `datasets` decodes images."""
    fields = [pa.field(column.name, _arrow(column.type)) for column in columns]
    return pa.schema(fields)


def features(columns: list[Column]) -> dict:
    """Hugging Face's features of the columns."""
    return {
        column.name: {"_type": "Image"}
        if column.type == "image"
        else {"dtype": column.type, "_type": "Value"}
        for column in columns
    }


def schema_org(column: Column) -> str:
    """The data type of a column in Croissant."""
    return _SCHEMA_ORG.get(column.type, "sc:Float")


def _arrow(name: str) -> pa.DataType:
    if name == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.type_for_alias(name)
