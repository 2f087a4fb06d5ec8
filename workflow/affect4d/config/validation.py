"""Settings of the validation room."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat

from affect4d.config.base import Section, field


class Settings(Section):
    """How the information shared by shape and valence-arousal is measured (paper, Table 1)."""

    components: list[int] = field(
        [10, 20, 40, 84, 150],
        "components",
        "Sizes of the blendshape basis, one row each.",
        min_length=1,
    )
    basis: Literal["sparse", "pca"] = field(
        "sparse",
        "1",
        "Basis of the controls and pictures: sparse localized components, or principal ones. The "
        "table has both.",
    )
    basis_subjects: Literal["all", "train_only"] = field(
        "all",
        "1",
        "Subjects whose apex frames span that basis: the paper takes all, the test ones too. The "
        "table has both.",
    )
    vertices: int = field(
        4000, "vertices", "Vertices kept of the inner face; 0 keeps the whole mesh.", ge=0
    )
    sparsity: float = field(
        0.05, "mm", "Sparsity of the basis, as in the blendshapes section.", ge=0
    )
    test_share: float = field(0.25, "1", "Share of the subjects held out.", gt=0, lt=1)
    annotation_noise: NonNegativeFloat | None = field(
        None,
        "1",
        "Standard deviation of the annotators' error, for the ceiling it sets; an embedded "
        "gallery's own where it is not given.",
    )
    folds: int = field(4, "folds", "Folds over training subjects in the search.", ge=2)
    search_frames: int = field(
        20_000,
        "frames",
        "Training frames at most on which the search runs, as many of each subject.",
        ge=50,
    )
    gammas: list[PositiveFloat] = field(
        [0.1, 0.3, 1.0], "1", "Candidate gammas of the RBF kernel.", min_length=1
    )
    costs: list[PositiveFloat] = field([0.1, 1.0, 10.0], "1", "Candidate costs C.", min_length=1)
    epsilons: list[NonNegativeFloat] = field(
        [0.05, 0.1, 0.2], "1", "Candidate half widths of the tube.", min_length=1
    )
    regressor: Literal["auto", "exact", "nystroem"] = field(
        "auto", "1", "Support vector regression: exact up to 10,000 frames, else Nystroem, if auto."
    )
    bootstrap: int = field(10_000, "resamples", "Resamples of the test subjects.", ge=0)
