"""Settings of the stage `blendshapes`."""

from typing import Literal

from pydantic import model_validator

from affect4d.config.base import Section, field

TARGETS = {  # what each value of `target` stands for
    "mean": "the mean of the class's frames",
    "strength": "the mean of the class's frames, made as strong as their median",
}


class Settings(Section):
    """How a class's difference vectors are formed and decomposed."""

    neutral: Literal["given", "first", "mean_nearest_zero"] = field(
        "given",
        "",
        "Neutral mesh of a sequence: its frames marked neutral, its first frame, or the mean of "
        "the frames annotated nearest to valence = arousal = 0.",
    )
    neutral_frames: int = field(
        5, "frames", "Frames averaged where the neutral is mean_nearest_zero.", ge=1
    )
    target: Literal["mean", "strength"] = field(
        "mean",
        "",
        "What stands for a class: the mean of its frames, as in the paper, or that mean made as "
        "strong as its median frame, as averaging people of different styles weakens it.",
    )
    components: int = field(
        8, "components", "Components per class; at most the number of its frames minus one.", ge=1
    )
    constraint: Literal["nonnegative", "signed"] = field(
        "nonnegative", "", "Weights in [0, 1] with maximum 1, or in [-1, 1] with maximum modulus 1."
    )
    sparsity: float = field(
        0.3,
        "mm",
        "Mean weighted motion below which a vertex far from a component's centre stays fixed.",
        ge=0,
    )
    face_radius: float = field(
        90.0,
        "mm",
        "Components describe the face up to this distance from the nose tip, because neck and "
        "ears carry scan noise. The mean covers the whole head.",
        gt=0,
    )
    inner_radius: float = field(
        15.0, "mm", "Geodesic distance from a centre up to which motion goes unpenalised.", ge=0
    )
    outer_radius: float = field(
        70.0, "mm", "Geodesic distance from a centre beyond which the penalty is full.", gt=0
    )
    tolerance: float = field(
        1e-3, "1", "Relative decrease of the objective at which the fit stops.", gt=0, lt=1
    )
    max_iterations: int = field(
        25, "iterations", "Maximum number of alternations between components and weights.", ge=1
    )
    max_frames: int = field(
        300,
        "frames",
        "Maximum number of frames on which a class's components are fitted, spread over its "
        "subjects; the mean is over all frames.",
        ge=2,
    )
    energy_tolerance: float = field(
        0.05,
        "1",
        "Share of the motion's energy that may be lost in total where the frames of a class take "
        "more than half a gigabyte and are compressed as they are read.",
        ge=0,
        lt=1,
    )
    interpolate: bool = field(
        False,
        "",
        "Give classes that have no model, but neighbours on all sides, a mean interpolated between "
        "those neighbours; their images are marked `interpolated`.",
    )
    classes_per_job: int = field(25, "classes", "Classes per job.", ge=1)

    @model_validator(mode="after")
    def _radii_ascend(self) -> "Settings":
        if self.inner_radius >= self.outer_radius:
            raise ValueError("inner_radius must be below outer_radius")
        return self
