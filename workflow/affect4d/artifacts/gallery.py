"""The gallery: 4D scans of faces, their landmarks and their annotations."""

from affect4d.artifacts.declaration import (
    Array,
    Artifact,
    Attribute,
    Column,
    File,
    Store,
    Table,
    quantised,
)
from affect4d.artifacts.quarantine import quarantine_table
from affect4d.template.ibug68 import COUNT

ORDER = 1
TASKS = ("posed", "spontaneous")

_FRAME_ID = Column("frame_id", "string", "Unique name of the frame.")
_SUBJECT = Column("subject", "string", "Person.")
_SESSION = Column("session", "string", "Recording session of the person.")
_SEQUENCE = Column("sequence", "string", "Sequence of scans to which the frame belongs.")
_TASK = Column("task", "string", "What the person was asked to do.", values=TASKS)
_FRAME = Column("frame", "int64", "Number of the frame within its sequence.", minimum=0)
_MESH = Column("mesh", "string", "File of the scan.")
_TEXTURE = Column("texture", "string", "File of the scan's texture.", null=True)
_LANDMARKS = Column("landmarks", "string", "File of the landmarks.")
_MARKUP = Column("markup", "string", "File of the landmarks' mark-up.", null=True)
_EXPRESSION = Column("expression", "string", "Expression that the person posed.", null=True)
_IS_APEX = Column("is_apex", "bool", "Whether the expression is at its height.")
_IS_NEUTRAL = Column("is_neutral", "bool", "Whether the face is neutral.")
# annotations outside the plane are for the affect space to check (rule 1): no bounds here
_VALENCE = Column("valence", "float64", "Valence as annotated.", unit="[-1, 1]", null=True)
_AROUSAL = Column("arousal", "float64", "Arousal as annotated.", unit="[-1, 1]", null=True)

SCANS = Table(
    "gallery/scans/{chunk}.csv",
    "the frames of one job's sequences",
    (
        _FRAME_ID, _SUBJECT, _SESSION, _SEQUENCE, _TASK, _FRAME, _MESH, _TEXTURE, _LANDMARKS,
        _MARKUP, _EXPRESSION, _IS_APEX, _IS_NEUTRAL,
    ),
    key="frame_id",
)  # fmt: skip
SCANS_QUARANTINE = quarantine_table("gallery/scans/{chunk}.quarantine.csv", "scans")
SCAN_MESH = File("gallery/scans/{chunk}/{sequence}/{frame}.ply", "a scan, PLY", optional=True)
SCAN_TEXTURE = File("gallery/scans/{chunk}/{sequence}/{frame}.jpg", "its texture", optional=True)
SCAN_LANDMARKS = File(
    "gallery/scans/{chunk}/{sequence}/{frame}.pts", "its 68 landmarks, mm", optional=True
)
ANNOTATIONS = Table(
    "gallery/annotations.csv",
    "valence and arousal of every frame",
    (_FRAME_ID, _VALENCE, _AROUSAL),
    key="frame_id",
)
ANNOTATIONS_QUARANTINE = quarantine_table("gallery/annotations.quarantine.csv", "annotations")
FRAMES = Table(
    "gallery/frames.parquet",
    "the frames of all scans, with their annotations",
    (
        _FRAME_ID, _SUBJECT, _SESSION, _SEQUENCE, _FRAME, _MESH, _LANDMARKS, _VALENCE, _AROUSAL,
        _EXPRESSION, _IS_APEX, _IS_NEUTRAL, _TASK, _TEXTURE,
    ),
    key="frame_id",
)  # fmt: skip
QUARANTINE = quarantine_table("gallery/quarantine.csv", "scans and annotations")
USER_TABLE = Table(
    "gallery/table.parquet",
    "the user's table of scans, as text, by column",
    (_FRAME_ID, Column("{name}", "any", "A column of the user's table.", null=True)),
)
PORTRAIT = File("gallery/portraits/{video}/{frame}.png", "a rendered portrait")
PORTRAIT_LANDMARKS = File(
    "gallery/portraits/{video}/{video}.json", "landmarks, valence and arousal, as in AFEW-VA"
)

_GENERATOR = (
    Array("vertices", "float32", ("vertices", 3), "Mean face.", unit="mm"),
    Array("triangles", "int32", ("triangles", 3), "Indices of the mesh's corners.",
          counts="vertices"),
    Array("landmarks", "float64", (COUNT, 3), "iBUG landmarks on the mean face.", unit="mm"),
    Array("identity", "float32", ("modes", "vertices", 3),
          "How the face of a person differs from the mean, by mode.", unit="mm"),
    Array("units", "float32", ("units", "vertices", 3),
          "How each action unit moves the face in full.", unit="mm"),
    Array("topology{number}_anchors", "int32", ("vertices of scanner {number}", 3),
          "Vertices between which each vertex of a scan lies.", counts="vertices"),
    Array("topology{number}_weights", "float32", ("vertices of scanner {number}", 3),
          "Barycentric coordinates there."),
    Array("topology{number}_triangles", "int32", ("triangles of scanner {number}", 3),
          "Indices of the scan's corners.", counts="vertices of scanner {number}"),
)  # fmt: skip
_GENERATOR_ATTRIBUTES = (
    Attribute("units", "Names of the action units.", length="units"),
    Attribute("topologies", "Number of scan topologies."),
)
MODEL = Store(
    "gallery/model.zarr", "the generator of synthetic people", _GENERATOR, _GENERATOR_ATTRIBUTES
)
FACEKIT = Store(
    "gallery/facekit.zarr",
    "the generator of ICT-FaceKit's people",
    _GENERATOR,
    _GENERATOR_ATTRIBUTES,
)
TRUTH = Store(
    "gallery/truth/{chunk}.zarr",
    "the truth behind one job's synthetic scans",
    (
        Array("units", "float64", ("frames", "units"), "Intensities of the action units."),
        Array("affect", "float64", ("frames", 2), "Valence and arousal that the face shows.",
              unit="[-1, 1]"),
        Array("rotation", "float64", ("frames", 3, 3), "Rotation of the head."),
        Array("translation", "float64", ("frames", 3), "Shift of the head.", unit="mm"),
        Array("gross", "uint8", ("frames",), "Kind of gross landmark error.", counts="kinds"),
        *quantised("faces{sequence}", ("frames of sequence {sequence}", "vertices", 3),
                   "Faces of a sequence in the template's topology, without noise."),
    ),
    (
        Attribute("frame_ids", "The frames, in the arrays' order.", length="frames"),
        Attribute("sequences", "The sequences, by number."),
        Attribute("gross_kinds", "Kinds of gross landmark errors.", length="kinds"),
    ),
)  # fmt: skip

SCAN_COLUMNS, FRAME_COLUMNS = tuple(SCANS.names), tuple(FRAMES.names)

CHUNK = Artifact(
    "gallery/scans/{chunk}",
    "the raw scans of one job's sequences, and the table of their frames",
    rules=("gallery_scans",),
    files=(SCANS, SCANS_QUARANTINE, SCAN_MESH, SCAN_TEXTURE, SCAN_LANDMARKS),
)
ANNOTATED = Artifact(
    "gallery/annotations",
    "valence and arousal of every frame, as annotated",
    rules=("gallery_annotations",),
    files=(ANNOTATIONS, ANNOTATIONS_QUARANTINE),
)
GALLERY = Artifact(
    "gallery/frames",
    "the table of all frames: scan files and annotations",
    rules=("gallery_frames",),
    files=(FRAMES, QUARANTINE),
)
PORTRAITS = Artifact(
    "gallery/portraits",
    "rendered portraits, laid out like AFEW-VA",
    rules=("gallery_portraits",),
    files=(PORTRAIT, PORTRAIT_LANDMARKS),
    optional=True,
)

TABLE = Artifact(
    "gallery/table",
    "the user's table of scans, checked",
    rules=("gallery_table",),
    files=(USER_TABLE,),
    optional=True,
)

ARTIFACTS = (
    Artifact(
        "gallery/model",
        "the synthetic subjects' identities, action units and scan topologies",
        rules=("gallery_model",),
        files=(MODEL,),
        optional=True,
    ),
    Artifact(
        "gallery/facekit",
        "the subjects and expressions read from ICT-FaceKit",
        rules=("gallery_facekit",),
        files=(FACEKIT,),
        optional=True,
    ),
    TABLE,
    CHUNK,
    Artifact(
        "gallery/truth/{chunk}",
        "the truth behind one job's synthetic scans; no rule builds on it",
        rules=("gallery_scans",),
        files=(TRUTH,),
        optional=True,
    ),
    ANNOTATED,
    GALLERY,
    PORTRAITS,
)
