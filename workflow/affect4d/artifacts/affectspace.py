"""The affect space: classes of the valence-arousal plane and the frames in them."""

from affect4d.artifacts import gallery
from affect4d.artifacts.declaration import Artifact, Column, File, Table
from affect4d.artifacts.quarantine import quarantine_table
from affect4d.artifacts.statuses import CLASS_STATUSES, FRAME_STATUSES

ORDER = 3
_PLANE = "[-1, 1]"

FRAMES = Table(
    "affectspace/frames.parquet",
    "the class of every frame",
    (
        Column("frame_id", "string", "Unique name of the frame.",
               references=f"{gallery.FRAMES.pattern}:frame_id"),
        Column("sequence", "string", "Sequence of scans to which the frame belongs."),
        Column("frame", "int64", "Number of the frame within its sequence.", minimum=0),
        Column("subject", "string", "Person."),
        Column("valence", "float64", "Valence as annotated, `delay` frames later.", unit=_PLANE,
               null=True),
        Column("arousal", "float64", "Arousal as annotated, `delay` frames later.", unit=_PLANE,
               null=True),
        Column("delay", "float64", "Estimated delay of the sequence's annotations.", unit="frames",
               minimum=0),
        Column("class", "int64", "Class of the plane; -1 unless the frame is used.", minimum=-1),
        Column("status", "string", "Whether the frame is used, or why not.",
               values=FRAME_STATUSES),
    ),
    key="frame_id",
)  # fmt: skip
CLASSES = Table(
    "affectspace/classes.parquet",
    "the classes of the plane",
    (
        Column("class", "int64", "Number of the class.", minimum=0),
        Column("name", "string", "The class by its centre, such as v+0.3_a-0.1."),
        Column("centre_valence", "float64", "Valence of the class's centre.", unit=_PLANE,
               minimum=-1, maximum=1),
        Column("centre_arousal", "float64", "Arousal of the class's centre.", unit=_PLANE,
               minimum=-1, maximum=1),
        Column("count", "int64", "Used frames in the class.", minimum=0),
        Column("subjects", "int64", "People to whom these belong.", minimum=0),
        Column("median_valence", "float64", "Median valence of these frames.", unit=_PLANE,
               null=True, minimum=-1, maximum=1),
        Column("median_arousal", "float64", "Median arousal of these frames.", unit=_PLANE,
               null=True, minimum=-1, maximum=1),
        Column("status", "string", "Whether the frames suffice for a model.",
               values=CLASS_STATUSES),
    ),
    key="class",
)  # fmt: skip
HISTOGRAM = File("affectspace/histogram.png", "picture: frames per class")
QUARANTINE = quarantine_table("affectspace/quarantine.csv", "annotations and classes")

AFFECT_SPACE = Artifact(
    "affectspace/affectspace",
    "the class of every frame, the classes' counts and medians",
    rules=("affectspace",),
    files=(FRAMES, CLASSES, HISTOGRAM, QUARANTINE),
)
ARTIFACTS = (AFFECT_SPACE,)
