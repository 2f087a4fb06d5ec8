"""Settings of the stage `validation`."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from affect4d.config.base import Section, field


class Settings(Section):
    """How the information shared by shape and valence-arousal is measured (paper, Table 1)."""

    components: list[int] = field(
        [10, 20, 40, 84, 150],
        "components",
        "Sizes of the blendshape basis, one row of the table each.",
        min_length=1,
    )
    basis: Literal["sparse", "pca"] = field(
        "sparse",
        "",
        "Basis of the controls and pictures: sparse localized or principal components. The table "
        "has both.",
    )
    basis_subjects: Literal["all", "train_only"] = field(
        "all",
        "",
        "Subjects whose apex frames span that basis: the paper uses all, test subjects included. "
        "The table has both.",
    )
    vertices: int = field(
        4000, "vertices", "Vertices kept of the inner face; 0 keeps all of the mesh.", ge=0
    )
    sparsity: float = field(
        0.05, "mm", "Sparsity of the basis, as in the section `blendshapes`.", ge=0
    )
    test_share: float = field(0.25, "1", "Share of the subjects held out.", gt=0, lt=1)
    annotation_noise: NonNegativeFloat | None = field(
        None,
        "1",
        "Standard deviation of the annotators' error, from which the highest reachable figures "
        "follow; by default that of the embedded gallery, where it is the source.",
    )
    folds: int = field(
        4, "folds", "Cross-validation folds over training subjects in the search.", ge=2
    )
    search_frames: int = field(
        20_000, "frames", "Maximum training frames in the search, equally many per subject.", ge=50
    )
    gammas: list[PositiveFloat] = field(
        [0.1, 0.3, 1.0], "1", "Candidates for gamma of the RBF kernel.", min_length=1
    )
    costs: list[PositiveFloat] = field(
        [0.1, 1.0, 10.0], "1", "Candidates for the penalty C.", min_length=1
    )
    epsilons: list[NonNegativeFloat] = field(
        [0.05, 0.1, 0.2], "1", "Candidates for epsilon of the SVR.", min_length=1
    )
    regressor: Literal["auto", "exact", "nystroem"] = field(
        "auto", "", "Regression (SVR); auto: exact up to 10,000 frames, then Nystroem."
    )
    bootstrap: int = field(10_000, "resamples", "Bootstrap resamples of the test subjects.", ge=0)
