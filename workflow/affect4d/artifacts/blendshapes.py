"""Blendshapes: the deformation model of every class, and the atlas of their means."""

from affect4d.artifacts.declaration import Array, Artifact, Attribute, File, Store, quantised
from affect4d.artifacts.quarantine import quarantine_table
from affect4d.artifacts.statuses import STATUSES

ORDER = 4

MODEL = Store(
    "blendshapes/{model}.zarr",
    "the blendshape model of one class or expression: mean, sparse components",
    (
        Array("mean", "float32", ("vertices", 3),
              "Mean difference of the frames from their sequences' neutral meshes.",
              unit="mm"),
        Array("components", "float32", ("components", "vertices", 3),
              "Sparse, localized components.", unit="mm"),
        Array("weights", "float32", ("fitted", "components"),
              "Weights of the frames on which the components were fitted."),
        Array("quantiles", "float64", ("levels", "components"),
              "Quantiles of the weights at equally spaced levels from 0 to 1."),
        Array("correlation", "float64", ("components", "components"),
              "Correlation of the weights' normal scores."),
        Array("objective", "float64", ("iterations",), "Objective after each iteration."),
    ),
    (
        Attribute("name", "The class by its centre, or the expression."),
        Attribute("class", "Number of the class.", optional=True),
        Attribute("expression", "The expression, in place of the class.", optional=True),
        Attribute("median_valence", "Median valence of the frames; null: not annotated."),
        Attribute("median_arousal", "Median arousal of the frames; null: not annotated."),
        Attribute("constraint", "Constraint on the weights: nonnegative or signed."),
        Attribute("distribution", "How to read quantiles and correlation."),
        Attribute("lost_energy_mm2", "Energy that compression of the frames lost, mm^2."),
        Attribute("strength", "Factor of the mean in the atlas; 1 where the target is the mean."),
        Attribute("unit", "Unit of the floating-point arrays."),
        Attribute("frame_ids", "The frames behind the mean.", length="frames"),
        Attribute("sequences", "Their sequences.", length="frames"),
        Attribute("fitted_frame_ids", "The frames behind the weights.", length="fitted"),
        Attribute("neutral_frame_ids", "The frames of each sequence's neutral mesh."),
    ),
)  # fmt: skip
_ATLAS_ARRAYS = (
    *quantised("mean", ("classes", "vertices", 3), "Mean deformation; 0 where there is none."),
    Array("median", "float64", ("classes", 2),
          "Median valence and arousal; the centre where the mean is interpolated.",
          unit="valence, arousal in [-1, 1]"),
    Array("count", "int64", ("classes",), "Frames behind the mean."),
    Array("status", "uint8", ("classes",), "Where the mean comes from.", codes=tuple(STATUSES)),
    Array("shares", "float64", ("classes", "classes"),
          "Natural-neighbour weights of the models' means in each mean."),
)  # fmt: skip
_ATLAS_ATTRIBUTES = (
    Attribute("names", "Names of the classes.", length="classes"),
    Attribute("statuses", "The words for which the codes of status stand."),
)
ATLAS = Store(
    "blendshapes/atlas.zarr", "mean and medians of all classes", _ATLAS_ARRAYS, _ATLAS_ATTRIBUTES
)
EXPRESSIONS = Store(
    "blendshapes/expressions.zarr",
    "mean and medians of the basic expressions",
    _ATLAS_ARRAYS,
    _ATLAS_ATTRIBUTES,
)
QUARANTINE = quarantine_table("blendshapes/quarantine/{group}.csv", "classes and sequences")
MEAN_FACES = File("blendshapes/pictures/mean_faces.png", "picture: mean face of every class")
COMPONENTS = File(
    "blendshapes/pictures/components.png", "picture: components of four classes", optional=True
)
CONVERGENCE = File(
    "blendshapes/pictures/convergence.png", "picture: objectives by iteration", optional=True
)
SUPPORT = File("blendshapes/pictures/support.png", "picture: where components move", optional=True)
PATH = File("blendshapes/pictures/path.webp", "animation: a path in the plane", optional=True)
PICTURES_STATED = File("blendshapes/pictures/pictures.json", "what the pictures show, in figures")

CHUNK = Artifact(
    "blendshapes/chunks/{group}",
    "one job of blendshape models: the classes that it fitted",
    rules=("blendshapes",),
    files=(QUARANTINE,),
    lists="blendshapes/{model}",
)
EXPRESSIONS_CHUNK = Artifact(
    "blendshapes/chunks/expressions",
    "one job of blendshape models: the basic expressions that it fitted",
    rules=("expressions",),
    files=(quarantine_table("blendshapes/quarantine/expressions.csv", "expressions"),),
    lists="blendshapes/{model}",
)
PICTURES = Artifact(
    "blendshapes/pictures",
    "pictures of the blendshapes: means, components, support, a path",
    rules=("blendshapes_pictures",),
    files=(MEAN_FACES, COMPONENTS, CONVERGENCE, SUPPORT, PATH, PICTURES_STATED),
)

ARTIFACTS = (
    Artifact(
        "blendshapes/{model}",
        MODEL.description,
        rules=("blendshapes", "expressions"),
        files=(MODEL,),
    ),
    CHUNK,
    EXPRESSIONS_CHUNK,
    Artifact(
        "blendshapes/atlas",
        "the mean deformation and medians of all classes",
        rules=("atlas",),
        files=(ATLAS,),
    ),
    Artifact(
        "blendshapes/expressions",
        "the mean deformation of the basic expressions",
        rules=("expressions",),
        files=(EXPRESSIONS,),
    ),
    PICTURES,
)
