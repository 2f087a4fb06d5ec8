"""Synthesis: every class's deformation imposed on every photograph."""

from affect4d.artifacts.declaration import Array, Artifact, Attribute, File, Store
from affect4d.artifacts.quarantine import quarantine_table
from affect4d.template.ibug68 import COUNT

ORDER = 8
MEAN = -1  # sample of the images that show a class's mean
_PIXELS, _PLANE = "RGB, 8 bits", "[-1, 1]"

CHUNK = Store(
    "synthesis/{database}/{chunk}.zarr",
    "one chunk of synthesized images with their labels",
    (
        Array("images", "uint8", ("images", "size", "size", 3), "The images.", unit=_PIXELS),
        Array("neutral", "uint8", ("photographs", "size", "size", 3),
              "The photographs, cut alike; without their expressions where `synthesis.neutralise` "
              "removes these.", unit=_PIXELS),
        Array("class", "int64", ("images",), "Class of the plane.", counts="classes"),
        Array("photograph", "int64", ("images",), "Number of the photograph.",
              counts="photographs"),
        Array("sample", "int64", ("images",),
              "Face drawn from the class's model; -1: the class mean."),
        Array("interpolated", "bool", ("images",),
              "Whether other classes' frames are behind the deformation."),
        Array("valence", "float64", ("images",), "Median valence of the class.", unit=_PLANE),
        Array("arousal", "float64", ("images",), "Median arousal of the class.", unit=_PLANE),
        Array("landmarks", "float32", ("images", COUNT, 2), "iBUG landmarks.", unit="px"),
        Array("flow", "float16", ("images", "grid", "grid", 2),
              "How far the face moved, on a coarse grid.", unit="px"),
        Array("quality", "float32", ("images", "measures"),
              "Measures of each image; also `neutralised_mm` where photographs are neutralised, "
              "`eye_problem` where eyes turn or close."),
    ),
    (
        Attribute("database", "Where the photographs come from."),
        Attribute("image_ids", "Names of the images.", length="images"),
        Attribute("subjects", "The people on them.", length="images"),
        Attribute("photographs", "image_id, subject, path, crop and camera of each photograph.",
                  length="photographs"),
        Attribute("classes", "Names of the classes.", length="classes"),
        Attribute("quality", "Names of the measures.", length="measures"),
        Attribute("settings", "The settings of synthesis."),
        Attribute("units", "Units of arrays."),
    ),
)  # fmt: skip
QUARANTINE = quarantine_table(
    "synthesis/{database}/quarantine/{chunk}.csv", "photographs and images"
)
SHEET = File("synthesis/pictures/sheet.jpg", "picture: the contact sheet", optional=True)
EXPRESSION_SHEET = File(
    "synthesis/pictures/expressions.jpg",
    "picture: photographs with the basic expressions",
    optional=True,
)
FIT_SHEET = File(
    "synthesis/pictures/fits.jpg",
    "picture: landmarks and fitted mesh over the photographs",
    optional=True,
)
PICTURES_STATED = File("synthesis/pictures/pictures.json", "what the sheet shows, in figures")

PICTURES = Artifact(
    "synthesis/pictures",
    "contact sheets: photographs and points of the plane by both blends, basic expressions, fits",
    rules=("synthesis_pictures",),
    files=(SHEET, EXPRESSION_SHEET, FIT_SHEET, PICTURES_STATED),
)
ARTIFACTS = (
    Artifact(
        "synthesis/{database}/{chunk}",
        "one chunk of synthesized images with their labels",
        rules=("synthesis",),
        files=(CHUNK,),
    ),
    Artifact(
        "synthesis/{database}/quarantine/{chunk}",
        "the photographs and images that synthesis refused in one chunk",
        rules=("synthesis",),
        files=(QUARANTINE,),
    ),
    PICTURES,
)
