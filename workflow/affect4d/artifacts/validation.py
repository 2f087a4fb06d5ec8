"""Validation: what the shapes tell of valence and arousal (Table 1)."""

from affect4d.artifacts import affectspace, gallery
from affect4d.artifacts.declaration import Array, Artifact, Attribute, Column, File, Store, Table
from affect4d.artifacts.quarantine import quarantine_table

ORDER = 5
AXES = ("valence", "arousal")
MEASURES = tuple(f"{measure}_{axis}" for measure in ("ccc", "mse", "pearson") for axis in AXES)
PAPER_MEASURES = MEASURES[:4]  # the paper states no Pearson correlation
SIDES = ("low", "high")
SETS = TRAIN, TEST = "train", "test"
SPARSE, PRINCIPAL = "sparse", "pca"
ALL, TRAIN_ONLY = "all", "train_only"
MAIN, RIDGE = "cca + svr", "ridge on all components"
SHUFFLED, DEPENDENT = "shuffled labels", "subject-dependent split"
CEILING = "annotation ceiling"
OK = "ok"  # of a row with figures; the others say why there are none

_SUBJECT = Column("subject", "string", "Person.", references=f"{gallery.FRAMES.pattern}:subject")
_WORDS = {
    "ccc": "Concordance correlation coefficient of predicted {axis}",
    "mse": "Mean squared error of predicted {axis}",
    "pearson": "Pearson correlation of predicted {axis}",
}


def _measured(name: str, suffix: str = "", what: str = ".") -> Column:
    """A column of Table 1: a measure, or a bound of it."""
    measure, axis = name.split("_")
    low, high = (0, None) if measure == "mse" else (-1, 1)
    description = _WORDS[measure].format(axis=axis) + what
    return Column(name + suffix, "float64", description, null=True, minimum=low, maximum=high)


SPLIT = Table(
    "validation/split.csv",
    "who is tested",
    (
        _SUBJECT,
        Column("set", "string", "Whether the person is tested.", values=SETS),
        Column("frames", "int64", "Used frames of the person.", minimum=0),
    ),
    key="subject",
)
BASIS = Store(
    "validation/basis.zarr",
    "bases of the apex frames, on a patch of the face",
    (
        Array("vertices", "float32", ("vertices", 3), "The patch's mesh.", unit="mm"),
        Array("triangles", "int32", ("triangles", 3), "Indices of its corners.",
              counts="vertices"),
        Array("index", "int64", ("vertices",), "Number of each vertex in the template."),
        Array("{basis}_components", "float32", ("components of {basis}", "coordinates"),
              "Components of a basis: kind, people, and number asked for.", unit="mm"),
        Array("{basis}_mean", "float32", ("coordinates",), "Origin of the basis.", unit="mm"),
    ),
    (
        Attribute("components", "Numbers of components that were asked for."),
        Attribute("attained", "Number of components that each basis has."),
        Attribute("apex_frames", "Apex frames behind the bases, by whose they are."),
        Attribute("unit", "Unit of the floating-point arrays."),
    ),
)  # fmt: skip
BASES_QUARANTINE = quarantine_table("validation/quarantine/bases.csv", "sequences and bases")
FEATURES = Store(
    "validation/features/{sequence}.zarr",
    "the used frames of a sequence, as weights in every basis",
    (Array("{basis}", "float32", ("frames", "weights in {basis}"), "Weights in a basis."),),
    (Attribute("frame_ids", "The frames, in the arrays' order.", length="frames"),),
)
FEATURES_QUARANTINE = quarantine_table("validation/features/quarantine/{chunk}.csv", "sequences")
TABLE1 = Table(
    "validation/table1.csv",
    "Table 1: agreement on unseen people, beside the paper's",
    (
        Column("components", "float64", "Components that were asked for.", null=True, minimum=1),
        Column("basis", "string", "Kind of basis.", null=True, values=(SPARSE, PRINCIPAL)),
        Column("basis_subjects", "string", "Whose apex frames span the basis.", null=True,
               values=(ALL, TRAIN_ONLY)),
        Column("model", "string", "What predicts."),
        Column("status", "string", "ok, or why there are no figures, or what they are."),
        *(_measured(name) for name in MEASURES),
        *(
            _measured(name, f"_{side}", f": {side} end of the 95 % interval over people.")
            for name in MEASURES
            for side in SIDES
        ),
        *(
            Column(f"paper_{name}", "float64", f"{name} as the paper states it.", null=True)
            for name in PAPER_MEASURES
        ),
    ),
)  # fmt: skip
MODELS = Store(
    "validation/models.zarr",
    "the models that predict: canonical variates and support vector machines",
    (
        Array("{basis}_canonical_weights", "float64", ("features of {basis}", "variates"),
              "Weights of the features in the canonical variates."),
        Array("{basis}_canonical_mean", "float64", ("features of {basis}",),
              "Mean of the features."),
        Array("{basis}_canonical_loadings", "float64", ("features of {basis}", "variates"),
              "Loadings of the features."),
        Array("{basis}_canonical_affect", "float64", (2, "variates"),
              "Loadings of valence and arousal."),
        Array("{basis}_canonical_correlations", "float64", ("variates",),
              "Canonical correlations."),
        Array("{basis}_ridge_coefficients", "float64", ("features of {basis}", 2),
              "Coefficients of ridge regression."),
        Array("{basis}_ridge_intercept", "float64", (2,), "Its intercept."),
        Array("{basis}_{axis}_support", "float64", ("support of {basis} {axis}", "variates"),
              "Support vectors, as canonical variates."),
        Array("{basis}_{axis}_dual", "float64", ("support of {basis} {axis}", 1),
              "Dual coefficients."),
        Array("{basis}_{axis}_bias", "float64", (1,), "Bias."),
        Array("{basis}_{axis}_gamma_cost_epsilon", "float64", (3,), "gamma, C and epsilon."),
    ),
    (
        Attribute("chosen", "The basis of the predictions and pictures."),
        Attribute("kind", "Its kind."),
        Attribute("subjects", "Whose apex frames span it."),
        Attribute("size", "Components that were asked for."),
    ),
)  # fmt: skip
PREDICTIONS = Table(
    "validation/predictions.parquet",
    "labels and predictions of the tested frames",
    (
        Column("sequence", "string", "Sequence of scans."),
        Column("frame_id", "string", "Unique name of the frame.",
               references=f"{affectspace.FRAMES.pattern}:frame_id"),
        _SUBJECT,
        *(Column(axis, "float64", f"{axis.capitalize()} as annotated.", unit="[-1, 1]")
          for axis in AXES),
        *(Column(f"predicted_{axis}", "float64", f"{axis.capitalize()} as predicted.",
                 unit="[-1, 1]") for axis in AXES),
    ),
    key="frame_id",
    optional=True,
)  # fmt: skip
QUARANTINE = quarantine_table("validation/quarantine/table1.csv", "measurements")
TABLE_PICTURE = File("validation/table1.png", "picture: Table 1 by components", optional=True)
COURSES = File("validation/courses.png", "picture: predictions over time", optional=True)
ERRORS = File("validation/errors.png", "picture: errors over the plane", optional=True)
CANONICAL = File("validation/canonical.png", "picture: canonical directions", optional=True)

BASES_JOB = Artifact(
    "validation/bases",
    "bases of the apex frames, and who is tested",
    rules=("validation_bases",),
    files=(SPLIT, BASES_QUARANTINE),
    lists="validation/basis",
)
FEATURES_CHUNK = Artifact(
    "validation/features/chunks/{chunk}",
    "one job of features: the sequences that it projected",
    rules=("validation_features",),
    files=(FEATURES_QUARANTINE,),
    lists="validation/features/{sequence}",
)
VALIDATION = Artifact(
    "validation/table1",
    "does shape carry affect? Table 1",
    rules=("validation",),
    files=(TABLE1, PREDICTIONS, TABLE_PICTURE, COURSES, ERRORS, CANONICAL, QUARANTINE),
    lists="validation/models",
)

ARTIFACTS = (
    BASES_JOB,
    Artifact(
        "validation/basis",
        "bases of the apex frames, on a patch of the face",
        rules=("validation_bases",),
        files=(BASIS,),
        optional=True,
    ),
    FEATURES_CHUNK,
    Artifact(
        "validation/features/{sequence}",
        "the used frames of a sequence, as weights in every basis",
        rules=("validation_features",),
        files=(FEATURES,),
        optional=True,
    ),
    VALIDATION,
    Artifact(
        "validation/models",
        "the models that predict valence and arousal from shape",
        rules=("validation",),
        files=(MODELS,),
        optional=True,
    ),
)
