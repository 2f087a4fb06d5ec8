"""Settings of the stage `fitting`."""

from typing import Literal

from pydantic import model_validator

from affect4d.config.base import Section, field
from affect4d.config.paths import SourcePath


class Settings(Section):
    """How the morphable model is built, fitted, corrected and gated."""

    lsfm_model: SourcePath | None = field(
        None,
        "",
        "LSFM identity model (.mat or .npz) in the template's topology; "
        "by default the identities are learnt from the gallery's neutral meshes.",
    )
    lsfm_model_mb: int = field(
        1024, "MB", "Maximum memory of the process that reads `lsfm_model`.", ge=256
    )
    lsfm_model_seconds: int = field(
        60, "s", "Maximum processor time of the process that reads `lsfm_model`.", ge=1
    )
    ict_facekit: SourcePath | None = field(
        None, "", "Folder of a clone of ICT-FaceKit whose identities replace the gallery's."
    )
    chunks: int = field(
        2, "jobs", "Jobs per database, among which its images are distributed.", ge=1
    )
    identity_modes: int = field(60, "modes", "Identity modes kept.", ge=1)
    expression_modes: int = field(30, "modes", "Expression modes kept.", ge=0)
    camera: Literal["weak", "perspective"] = field(
        "perspective",
        "",
        "weak: weak perspective; perspective: a pinhole camera whose axis meets the middle of the "
        "photograph and whose distance is fitted too.",
    )
    distance: float = field(
        1000.0, "mm", "Prior mean of a perspective camera's distance from the face.", gt=0
    )
    distance_spread: float = field(
        0.5, "1", "Prior standard deviation of the distance's natural logarithm.", gt=0
    )
    outlier_distance: float = field(
        4.0,
        "standard deviations",
        "Landmarks farther than this from the model keep less than a quarter of their weight.",
        gt=0,
    )
    iterations: int = field(8, "iterations", "Gauss-Newton iterations over pose and shape.", ge=1)
    pose_iterations: int = field(
        3, "iterations", "Iterations over the pose alone, before those.", ge=0
    )
    landmark_sd: float = field(
        0.008,
        "inter-ocular distance",
        "Standard deviation of an annotated landmark; where the model's error is larger, the "
        "photograph's own estimate is used instead.",
        gt=0,
    )
    jaw_weight: float = field(
        0.25,
        "1",
        "Weight of landmarks on the jaw or on the far side, relative to the others.",
        gt=0,
        le=1,
    )
    expression_prior: float = field(
        10.0, "1", "Weight of the expression prior relative to the identity prior N(0, 1).", gt=0
    )
    coefficient_bound: float = field(
        3.0, "standard deviations", "Bound on the absolute value of every coefficient.", gt=0
    )
    gross_error: float = field(
        0.25,
        "inter-ocular distance",
        "A landmark farther than this from the position predicted by its neighbours is left out.",
        gt=0,
    )
    residual_reach: float = field(
        0.14, "inter-ocular distance", "Length scale of the smooth image-space correction.", gt=0
    )
    residual_smoothing: float = field(
        0.03,
        "1",
        "Minimum share of a landmark's noise variance in the variance of that correction; smaller "
        "values fold the picture where the model's error is large.",
        ge=0,
    )
    max_yaw: float = field(55.0, "degrees", "Gate: heads turned farther are rejected.", gt=0)
    max_mouth_opening: float = field(
        0.15,
        "inter-ocular distance",
        "Gate: photographs with a wider gap between the inner lips are rejected.",
        gt=0,
    )
    max_outliers: int = field(
        6, "landmarks", "Gate: photographs with more landmarks left out are rejected.", ge=0
    )
    max_outside: int = field(
        4,
        "landmarks",
        "Gate: photographs with more landmarks beyond their edge are rejected.",
        ge=0,
    )
    max_residual: float = field(
        0.1,
        "inter-ocular distance",
        "Gate: photographs with a larger mean landmark error before the correction are rejected.",
        gt=0,
    )

    @model_validator(mode="after")
    def _one_identity_model(self) -> "Settings":
        if self.lsfm_model and self.ict_facekit:
            raise ValueError("lsfm_model and ict_facekit exclude each other")
        return self


def chunk_names(settings: Settings) -> list[str]:
    """The names of a database's chunks, in the order in which images are distributed."""
    return [f"{index:03d}" for index in range(settings.chunks)]


MODEL_FIELDS = (
    *("lsfm_model", "lsfm_model_mb", "lsfm_model_seconds"),
    *("ict_facekit", "identity_modes", "expression_modes"),
)
