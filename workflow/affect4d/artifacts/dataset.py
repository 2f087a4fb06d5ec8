"""The published dataset: its columns, once for Parquet, Hugging Face, Croissant and the card."""

from dataclasses import dataclass

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

NEUTRAL = "neutral"  # class_name of the neutral images; their class is -1
MEAN = -1  # sample of the images that show a class's mean
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
