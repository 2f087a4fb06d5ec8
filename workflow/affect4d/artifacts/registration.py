"""Registration: every scan in the template's topology."""

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

ORDER = 2

TEMPLATE = Store(
    "registration/template.zarr",
    "the template and what registration computes of it once",
    (
        Array("vertices", "float32", ("vertices", 3), "The template's mesh.", unit="mm"),
        Array("triangles", "int32", ("triangles", 3), "Indices of its corners.",
              counts="vertices"),
        Array("landmarks", "float64", (COUNT, 3), "Its iBUG landmarks.", unit="mm"),
        Array("kernel", "float32", ("vertices", COUNT),
              "Green's function of the surface's bi-Laplacian at the landmarks.", unit="mm^2"),
        Array("modes", "float32", ("vertices", "modes"), "Modes of the deformation prior."),
        Array("precision", "float64", (3, "modes"), "Precision of each mode's coefficient."),
        Array("laplacian_data", "float64", ("entries",), "Cotangent Laplacian, CSR: values."),
        Array("laplacian_indices", "int32", ("entries",), "Cotangent Laplacian, CSR: columns.",
              counts="vertices"),
        Array("laplacian_indptr", "int32", ("rows",), "Cotangent Laplacian, CSR: row starts."),
        Array("area", "float64", ("vertices",), "Area that belongs to each vertex.", unit="mm^2"),
        Array("usual_offset", "float64", (1,), "Offset of a face's landmarks as a whole from its "
              "surface, below which there is no disagreement.", unit="mm", optional=True),
        Array("usual_deviation", "float64", (1,), "Deviation of a face from an adapted template, "
              "median of its people.", unit="mm", optional=True),
    ),
)  # fmt: skip
REGISTERED = Store(
    "registered/{sequence}.zarr",
    "one sequence of scans in the template's topology",
    (
        *quantised("vertices", ("frames", "vertices", 3), "The registered faces."),
        Array("seen", "bool", ("frames", "vertices"), "Whether the scan shows the vertex."),
        Array("quality", "float32", ("frames", "measures"), "Measures of each registration."),
        Array("flags", "uint16", ("frames",),
              "Bit i is set where the frame fails test i of flag_names; 0 is clean."),
        Array("colour", "uint8", ("vertices", 3), "Colour from the first texture.",
              unit="RGB, 8 bits", optional=True),
    ),
    (
        Attribute("frame_ids", "The frames, in the arrays' order.", length="frames"),
        Attribute("measures", "Names of the quality measures.", length="measures"),
        Attribute("flag_names", "Names of the flags' bits."),
        Attribute("subject", "Person."),
        Attribute("task", "posed or spontaneous."),
        Attribute("expression", "Expression that was posed, per frame.", length="frames"),
        Attribute("is_apex", "Whether the expression is at its height.", length="frames"),
        Attribute("is_neutral", "Whether the face is neutral.", length="frames"),
        Attribute("quarantined", "Frames that were left out: item, file, rule, remedy."),
    ),
)  # fmt: skip
QUARANTINE = quarantine_table("registered/quarantine/{chunk}.csv", "frames and sequences")
ANY_FLAG = "any"  # the row of FLAG_TABLE that counts frames with at least one
FLAG_TABLE = Table(
    "registration/pictures/flags.csv",
    "every flag, and how many frames have it",
    (
        Column("flag", "string", f"Name of the flag; {ANY_FLAG}: at least one of them."),
        Column("raised by", "string", "What raises it.", null=True),
        Column("frames", "int64", "Frames that have it.", minimum=0),
        Column("share", "float64", "Their share of all frames.", minimum=0, maximum=1),
        Column("sequences", "int64", "Sequences with such a frame.", minimum=0),
        Column("what to do", "string", "Remedy.", null=True),
    ),
    key="flag",
)
SEQUENCE_TABLE = Table(
    "registration/pictures/sequences.csv",
    "the sequences that registered worst",
    (
        Column("subject", "string", "Person."),
        Column("sequence", "string", "Sequence of scans."),
        Column("frames", "int64", "Registered frames.", minimum=0),
        Column("in quarantine", "int64", "Frames that were left out.", minimum=0),
        Column("share flagged", "float64", "Share of frames with a flag.", minimum=0, maximum=1),
        Column("flags (frames)", "string", "Flags, and frames that have them.", null=True),
        Column("landmark residual, mm", "float64", "Mean residual of the landmarks.", unit="mm",
               null=True, minimum=0),
        Column("similarity residual, mm", "float64", "Mean residual after the similarity.",
               unit="mm", null=True, minimum=0),
        Column("share seen", "float64", "Share of the inner face that scans show.", null=True,
               minimum=0, maximum=1),
        Column("jitter, mm", "float64", "Distance from the mean of the neighbouring frames.",
               unit="mm", null=True, minimum=0),
    ),
    key="sequence",
)  # fmt: skip
OVERVIEW = File("registration/pictures/overview.png", "picture: residuals and coverage")
PEOPLE = File("registration/pictures/people.jpg", "picture: scans and registered faces")
STRIP = File("registration/pictures/strip.jpg", "picture: one sequence")
REAL = File("registration/pictures/real.jpg", "picture: a real scan")
WORST = File("registration/pictures/worst_{number}.jpg", "picture: one of the worst frames")
CAPTIONS = File("registration/pictures/pictures.json", "texts of the captions")

PICTURES = Artifact(
    "registration/pictures",
    "pictures and tables of the registration: overview, worst frames, people",
    rules=("registration_pictures",),
    files=(FLAG_TABLE, SEQUENCE_TABLE, OVERVIEW, PEOPLE, STRIP, REAL, WORST, CAPTIONS),
)
CHUNK = Artifact(
    "registered/chunks/{chunk}",
    "one registration job: the sequences that it registered",
    rules=("registration",),
    files=(QUARANTINE,),
    lists="registered/{sequence}",
)

ARTIFACTS = (
    Artifact(
        "registration/template",
        "the template, prepared for registration",
        rules=("registration_template",),
        files=(TEMPLATE,),
    ),
    Artifact(
        "registered/{sequence}",
        "one sequence of scans in the template's topology",
        rules=("registration",),
        files=(REGISTERED,),
    ),
    CHUNK,
    PICTURES,
)
