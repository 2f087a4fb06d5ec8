"""Fits: the 3D morphable model, and its fit to every neutral image."""

from affect4d.artifacts.declaration import Array, Artifact, Attribute, Store
from affect4d.artifacts.quarantine import quarantine_table
from affect4d.template.ibug68 import COUNT

ORDER = 7

MODEL = Store(
    "fits/model.zarr",
    "the 3D morphable model",
    (
        Array("mean", "float32", ("vertices", 3), "Mean face.", unit="mm"),
        Array("identity", "float32", ("identities", "vertices", 3),
              "Modes of identity, each one standard deviation.", unit="mm"),
        Array("expression", "float32", ("expressions", "vertices", 3),
              "Modes of expression, each one standard deviation.", unit="mm"),
        Array("triangles", "int32", ("triangles", 3), "Indices of the mesh's corners.",
              counts="vertices"),
        Array("landmark_vertices", "int64", (COUNT,), "Vertex of each iBUG landmark.",
              counts="vertices"),
        Array("smooth", "float32", ("smooth", "vertices", 3),
              "Modes of a smooth field for what identity does not span.", unit="mm"),
    ),
    (Attribute("unit", "Unit of the floating-point arrays."),),
)  # fmt: skip
FITS = Store(
    "fits/{database}/{chunk}.zarr",
    "the fits of one chunk of photographs",
    (
        Array("camera", "float64", ("images", "parameters"),
              "Camera of each photograph; the attribute camera names its parameters.",
              unit="by the attribute units"),
        Array("identity", "float64", ("images", "identities"), "Coefficients of identity."),
        Array("expression", "float64", ("images", "expressions"), "Coefficients of expression."),
        Array("vertices", "float32", ("images", "vertices", 3), "The fitted face.", unit="mm"),
        Array("offset", "float32", ("images", "vertices", 2),
              "Correction of where each vertex falls in the photograph.", unit="px"),
        Array("landmarks", "float64", ("images", COUNT, 2), "Landmarks of the photograph.",
              unit="px"),
        Array("quality", "float64", ("images", "measures"), "Measures and gates of each fit."),
    ),
    (
        Attribute("image_ids", "The photographs, in the arrays' order.", length="images"),
        Attribute("subjects", "The people on them.", length="images"),
        Attribute("images", "Their files below the results folder.", length="images"),
        Attribute("camera", "Names of the camera's parameters.", length="parameters"),
        Attribute("quality", "Names of the measures and gates.", length="measures"),
        Attribute("units", "Units of arrays and of the camera's parameters."),
    ),
)  # fmt: skip
QUARANTINE = quarantine_table("fits/{database}/quarantine/{chunk}.csv", "photographs")

ARTIFACTS = (
    Artifact(
        "fits/model",
        "the 3D morphable model that is fitted to photographs",
        rules=("fitting_model",),
        files=(MODEL,),
    ),
    Artifact(
        "fits/{database}/{chunk}",
        "the morphable model fitted to one chunk of photographs",
        rules=("fitting",),
        files=(FITS,),
    ),
    Artifact(
        "fits/{database}/quarantine/{chunk}",
        "the photographs of one chunk that could not be fitted",
        rules=("fitting",),
        files=(QUARANTINE,),
    ),
)
