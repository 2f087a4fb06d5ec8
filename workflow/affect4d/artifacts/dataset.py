"""The published dataset: its columns, once for Parquet, Hugging Face, Croissant and the card."""

from affect4d.artifacts.declaration import Artifact, Column, File, Table
from affect4d.artifacts.readers import EXPRESSIONS
from affect4d.artifacts.synthesis import MEAN as MEAN  # also the sample of the neutral images

ORDER = 10
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
KINDS = PHOTOGRAPH, RENDERED = "photograph", "rendered"

NEUTRAL = "neutral"  # class_name of the neutral images
NEUTRAL_CLASS = -1
QUALITY = "quality_"  # prefix of the columns of synthesis's quality measures
_PLANE = "[-1, 1]"

COLUMNS = (
    Column("image", "image", "The encoded image: bytes and file name.", unit="RGB, 8 bits"),
    Column("image_id", "string", "Unique name of the image."),
    Column("class", "int64", "Class of the valence-arousal plane; -1: the neutral image.",
           minimum=NEUTRAL_CLASS),
    Column("class_name", "string", "The class by its centre; neutral: the neutral image."),
    Column("valence", "float64", "Median valence of the class; null: neutral image.",
           unit=_PLANE, null=True, minimum=-1, maximum=1),
    Column("arousal", "float64", "Median arousal of the class; null: neutral image.",
           unit=_PLANE, null=True, minimum=-1, maximum=1),
    Column("sample", "int64", "Face drawn from the class's model; -1: the class mean.",
           minimum=MEAN),
    Column("interpolated", "bool", "Whether other classes' frames are behind it, not its own."),
    Column("kind", "string", "What was edited: photograph (real) or rendered (synthetic).",
           values=KINDS),
    Column("database", "string", "Where the neutral image comes from."),
    Column("subject", "string", "Person, unique within the database."),
    Column("neutral_image_id", "string", "image_id of the neutral image it was made from."),
    Column("split", "string", "train, validation or test; no subject is in two of them.",
           values=SPLITS),
    Column("read_expression", "string", "What an independent classifier reads; null: not read.",
           null=True, values=EXPRESSIONS),
    Column("read_rise", "float32", "Gain of the expected expressions' probability over the "
           "neutral image; null: not read.", null=True, minimum=-1.1, maximum=1.1),
    Column("read_identity", "float32", "Distance of identity to the neutral image, of two people "
           "about .85; null: not read.", null=True, minimum=0),
    Column("read_motion", "float32", "Correlation of the landmarks' motion, detected anew, with "
           "what was asked; null: not read.", null=True),
)  # fmt: skip
READ = {  # columns of what was read, by those of `readers/readings.parquet`
    "read": "read_expression",
    "rise": "read_rise",
    "identity": "read_identity",
    "motion": "read_motion",
}
# what refuses an image is one value in all that are published: no column
REFUSING = (f"{QUALITY}accepted", f"{QUALITY}eye_problem")
MEASURES = {  # of synthesis: unit and meaning
    "yaw": ("degrees", "Turn of the head, to the person's left; null: neutral image."),
    "flipped": ("1", "Share of the visible face's area that turns away; null: neutral image."),
    "folded": ("1", "Share of the face over which the map folds; null: neutral image."),
    "revealed": ("1", "Face that the photograph does not show, over it; null: neutral image."),
    "interior": ("1", "1 where the mouth's inside was drawn, else 0; null: neutral image."),
    "psnr_far": ("dB", "Agreement with the photograph far from the face, at most 99; null: neutral "
                 "image."),
    "landmark_error": ("1", "Mean error of the landmarks' motion, in inter-ocular distances; null: "
                       "neutral image."),
    "neutralised_mm": ("mm", "Expression that was removed from the photograph before, root mean "
                       "square around the mouth; null: neutral image."),
}  # fmt: skip
QUALITY_COLUMN = Column(
    QUALITY + "{measure}", "float32", "Measured while synthesizing; null: neutral image.", null=True
)

SHARD = Table(
    "dataset/data/{shard}.parquet",
    "the images of one split, or a part of them",
    (*COLUMNS, QUALITY_COLUMN),
)
# Of the embedded gallery's units. It has three more, which are read as these: AU16 is nearly AU25
# less AU10, AU1+4 a sum of AU1 and AU4. AU12+26 is no sum: of the two that FACS scores AU12 is read
# as strong as it is, AU26 at six tenths, since the smile holds the corners of the mouth that a jaw
# takes along; what is held is unexplained.
ACTION_UNITS = (
    "AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU15", "AU17", "AU20", "AU23",
    "AU24", "AU25", "AU26", "AU43",
)  # fmt: skip
LABELS = {  # exact labels by the names of `dataset.labels`: columns, their units and meanings
    "pose": (
        ("projection", "1", "Template's mm (x, y, z, 1) to pixels of the image, homogeneous."),
        ("rotation", "1", "Template's axes to the viewer's: right, up, towards the viewer."),
    ),
    "landmarks": (
        ("landmarks_2d", "px", "iBUG landmarks, moved as the picture was."),
        ("landmarks_3d", "mm", "iBUG landmarks in the template's axes."),
    ),
    "flow": (("flow", "px", "Where every eighth pixel of the neutral image went."),),
    "vertices": (
        ("vertices", "mm", "The face in the template's topology."),
        ("offset", "px", "To add to what is projected."),
    ),
    "depth": (("depth", "mm", "Towards the viewer; NaN: no face."),),
    "normals": (("normals", "1", "Of the surface, in the viewer's axes; 0: no face."),),
    "uv": (("uv", "1", "The template's texture coordinates; 0: no face."),),
    "action_units": (
        ("action_units", "1", f"Non-negative weights of {', '.join(ACTION_UNITS)}; 1: maximum."),
        ("unexplained", "1", "Share of the motion that these units do not explain."),
    ),
    "parts": (("parts", "1", "0 no face, 1 skin, 2 mouth, 3 between the eyelids."),),
}
LABEL_SHARD = Table(
    "dataset/labels/{shard}.parquet",
    "exact labels of the images of one split, or a part of them",
    (
        Column("image_id", "string", "Unique name of the image."),
        *(
            Column(name, "any", text, unit=unit)
            for columns in LABELS.values()
            for name, unit, text in columns
        ),
    ),
    key="image_id",
    optional=True,
)
SPLIT_TABLE = Table(
    "dataset/splits.csv",
    "who is in which split",
    (
        Column("database", "string", "Where the neutral images come from."),
        Column("subject", "string", "Person, unique within the database."),
        Column("split", "string", "Split of all of the person's images.", values=SPLITS),
        Column("images", "int64", "Images of the person.", minimum=1),
    ),
)
CARD = File("dataset/README.md", "the dataset card")
CROISSANT = File("dataset/croissant.json", "files and columns in Croissant's vocabulary")
PREVIEW = File("dataset/preview.jpg", "a few people, neutral and in some classes")
CHECKSUMS = File("dataset/SHA256SUMS", "sha256 of every other file")
TAR = File(
    "dataset/webdataset/{shard}.tar", "samples of one split as WebDataset reads them", optional=True
)

DATASET = Artifact(
    "dataset",
    "the published dataset",
    rules=("dataset",),
    files=(SHARD, LABEL_SHARD, TAR, SPLIT_TABLE, CARD, PREVIEW, CROISSANT, CHECKSUMS),
)
ARTIFACTS = (DATASET,)
