"""Neutral images: candidates of every database, and those that are accepted."""

from affect4d.artifacts.declaration import Artifact, Column, File, Table
from affect4d.artifacts.quarantine import quarantine_table

ORDER = 6
_PLANE = "[-1, 1]"

CANDIDATES = Table(
    "neutrals/{database}/candidates.parquet",
    "the images of a database, and which of them are neutral",
    (
        Column("database", "string", "Name of the database."),
        Column("subject_id", "string", "Person, unique within the database."),
        Column("subject_name", "string",
               "Person as the database writes it, in any script (NFC); a path below its root "
               "where files are people."),
        Column("image_id", "string", "Unique name of the image."),
        Column("path", "string", "File of the image."),
        Column("frame", "int64", "Number of the frame within its clip; 0: a photograph.",
               minimum=0),
        Column("is_neutral", "bool", "Whether the face is neutral."),
        Column("evidence", "string", "Why it counts as neutral, or not."),
        Column("landmarks_path", "string", "File of the landmarks, where there is one.",
               null=True),
        Column("valence", "float64", "Valence as annotated.", unit=_PLANE, null=True,
               minimum=-1, maximum=1),
        Column("arousal", "float64", "Arousal as annotated.", unit=_PLANE, null=True,
               minimum=-1, maximum=1),
        Column("expression", "string", "The database's own code of the expression.", null=True),
        Column("landmarks_by", "string",
               "Who made the landmarks: database, user, or detector (found where there are none)."),
        Column("image_from", "string",
               "What the image is: the file, or of a scan its texture, or its rendering. The face "
               "of a scan is registered, not fitted to landmarks."),
        Column("eye_distance", "float64", "Distance of the outer eye corners; null: the image was "
               "not tried.", unit="px", null=True, minimum=0),
        Column("sharpness", "float64", "See affect4d.fitting.image_quality.sharpness.",
               null=True, minimum=0),
        Column("landmark_error", "float64",
               "Mean distance of the landmarks from the turned template's.",
               unit="inter-ocular distance", null=True, minimum=0),
        Column("yaw", "float64", "Turn of the head.", unit="degrees", null=True),
        Column("covered", "float64", "Share of the skin whose colour is not the skin's.",
               null=True, minimum=0, maximum=1),
        Column("neutral", "float64",
               "Probability of a neutral expression by the expression reader, where it was asked.",
               null=True, minimum=0, maximum=1),
        Column("accepted", "bool", "Whether the image is used."),
        Column("reason", "string", "Why the image is not used; empty where it is.", null=True),
    ),
    key="image_id",
)  # fmt: skip
ACCEPTED_TABLE = Table(
    "neutrals/{database}/accepted.csv",
    "the accepted neutral images",
    (
        Column("image_id", "string", "Unique name of the image."),
        Column("subject", "string", "Person, unique within the database."),
        Column("path", "string", "Copy of the image below the results folder.", listed=True),
        Column("landmarks", "string", "Its 68 landmarks, px.", listed=True),
        Column("evidence", "string", "Why it counts as neutral."),
        Column("source", "string", "File within the database."),
        Column("subject_name", "string", "Person as the database writes it, in any script (NFC)."),
        Column(
            "notes",
            "string",
            "What a person should look at: transparent pixels, landmarks that seem not to "
            "belong to the picture; empty where nothing.",
            null=True,
        ),
        Column(
            "scan",
            "string",
            "Registered scan of which the image is a view, and which takes the place of a fit; "
            "empty: the fit is to the landmarks.",
            null=True,
            listed=True,
        ),
    ),
    key="image_id",
)
QUARANTINE = quarantine_table("neutrals/{database}/quarantine.csv", "images")
IMAGE = File("neutrals/{database}/images/{image_id}.png", "an accepted image", optional=True)
LANDMARKS = File("neutrals/{database}/images/{image_id}.pts", "its landmarks, px", optional=True)

SCAN = File(
    "neutrals/{database}/images/{image_id}.ply",
    "the registered scan of which an accepted image is a view, mm, textured with the image",
    optional=True,
)

ACCEPTED = ACCEPTED_TABLE.names

NEUTRALS = Artifact(
    "neutrals/{database}/neutrals",
    "the neutral images of one database, candidates and accepted",
    rules=("neutrals",),
    files=(CANDIDATES, ACCEPTED_TABLE, QUARANTINE, IMAGE, LANDMARKS, SCAN),
)
ARTIFACTS = (NEUTRALS,)
