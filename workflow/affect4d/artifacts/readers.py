"""Readers: what independent networks read of a sample of the build's images."""

from affect4d.artifacts.declaration import Artifact, Column, File, Table

ORDER = 9
# what a face can be read as, in the order of the package `fer`
EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
PROBABILITY = "probability_"  # prefix of the columns of EXPRESSIONS
_PLANE = "[-1, 1]"

READINGS = Table(
    "readers/readings.parquet",
    "what was read of each image of the sample",
    (
        Column("image_id", "string", "The image; of an expression, its photograph and its name."),
        Column("neutral_image_id", "string", "The photograph that it was made from."),
        Column("database", "string", "Where the photograph comes from."),
        Column("subject", "string", "The person."),
        Column("asked", "string", "Class, basic expression, or photograph: none."),
        Column("group", "string", "Quadrant, near the centre, expression, or photograph."),
        Column("valence", "float64", "Label.", unit=_PLANE, null=True, minimum=-1, maximum=1),
        Column("arousal", "float64", "Label.", unit=_PLANE, null=True, minimum=-1, maximum=1),
        Column("read", "string", "Most probable expression; null: no face was found.",
               null=True, values=EXPRESSIONS),
        *(Column(PROBABILITY + name, "float64", f"Probability of {name}.", unit="1", null=True)
          for name in EXPRESSIONS),
        Column("rise", "float64", "Gain of the expected expressions' probability over the "
               "photograph.", unit="1", null=True, minimum=-1.1, maximum=1.1),
        Column("identity", "float64", "Distance of identity to the photograph; of two people "
               "about .85.", unit="1", null=True, minimum=0),
        Column("motion", "float64", "Correlation of the landmarks' motion, detected anew, with "
               "what was asked.", unit="1", null=True),
        Column("amplitude", "float64", "Length of that motion over what was asked.", unit="1",
               null=True, minimum=0),
    ),
    key="image_id",
)  # fmt: skip
SUMMARY = Table(
    "readers/summary.csv",
    "shares and medians by expression and quadrant",
    (
        Column("group", "string", "As in the readings."),
        Column("expected", "string", "What these should be read as."),
        Column("images", "int64", "Images with a face.", minimum=1),
        Column("read_as_asked", "float64", "Share read as expected.", unit="1", minimum=0,
               maximum=1),
        Column("rises", "float64", "Share whose expected expressions gain probability.", unit="1",
               null=True, minimum=0, maximum=1),
        Column("identity", "float64", "Median distance of identity.", unit="1", null=True),
        Column("motion", "float64", "Median correlation of motion.", unit="1", null=True),
        Column("amplitude", "float64", "Median ratio of motion.", unit="1", null=True),
    ),
    key="group",
)  # fmt: skip
STATED = File("readers/stated.json", "whether the readers are installed, what else was measured")

READ = Artifact(
    "readers/readers",
    "what independent networks read of a sample of the images",
    rules=("readers",),
    files=(READINGS, SUMMARY, STATED),
)
ARTIFACTS = (READ,)
