"""Registration: every scan in the template's topology."""

from affect4d.artifacts.declaration import Array, Artifact, Attribute, Store, quantised
from affect4d.artifacts.quarantine import quarantine_table

ORDER = 2

TEMPLATE = Store(
    "registration/template.zarr",
    "the template and what registration computes of it once",
    (
        Array("vertices", "float32", ("vertices", 3), "The template's mesh.", unit="mm"),
        Array("triangles", "int32", ("triangles", 3), "Indices of its corners.",
              counts="vertices"),
        Array("landmarks", "float64", (68, 3), "Its iBUG landmarks.", unit="mm"),
        Array("kernel", "float32", ("vertices", 68),
              "Green's function of the surface's bi-Laplacian at the landmarks.", unit="mm^2"),
        Array("modes", "float32", ("vertices", "modes"), "Modes of the deformation prior."),
        Array("precision", "float64", (3, "modes"), "Precision of each mode's coefficient."),
        Array("laplacian_data", "float64", ("entries",), "Cotangent Laplacian, CSR: values."),
        Array("laplacian_indices", "int32", ("entries",), "Cotangent Laplacian, CSR: columns.",
              counts="vertices"),
        Array("laplacian_indptr", "int32", ("rows",), "Cotangent Laplacian, CSR: row starts."),
        Array("area", "float64", ("vertices",), "Area that belongs to each vertex.", unit="mm^2"),
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
)
