"""Settings of the stage `registration`."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How scans are brought to the template, and when a frame is flagged."""

    resolution: float = field(
        1.5, "px/mm", "Resolution of the raster on the unwrapped cylinder.", gt=0, le=8
    )
    jaw_weight: float = field(
        0.2, "1", "Weight of the jaw contour, whose landmarks slide along the jaw.", gt=0, le=1
    )
    refinements: int = field(
        3, "steps", "Steps that fit surface and landmarks; 0: landmarks only.", ge=0, le=9
    )
    surface_noise: float = field(
        0.3, "mm", "Noise of the surface assumed when it is weighed against the landmarks.", gt=0
    )
    smoothing: int = field(
        2, "passes", "Averages over neighbouring vertices, against scanner noise.", ge=0, le=20
    )
    tracking: bool = field(
        True, "", "Track the skin's pattern from the neutral frame on, where there is a texture."
    )
    outlier: float = field(
        8.0, "mm", "A landmark whose leave-one-out residual is greater is dropped.", gt=0
    )
    max_depth: float = field(
        8.0, "mm", "Greatest distance of the surface from its prediction.", gt=0
    )
    max_landmark_residual: float = field(
        8.5, "mm", "Flag: mean leave-one-out residual of the landmarks.", gt=0
    )
    max_similarity_residual: float = field(
        8.0, "mm", "Flag: mean distance of the landmarks from the template's after alignment.", gt=0
    )
    max_adapted_residual: float = field(
        6.0,
        "mm",
        "The same where the template is adapted.",
        gt=0,
    )
    max_flipped: float = field(
        0.02, "1", "Flag: share of the face's triangles turned over by the warp.", gt=0, le=1
    )
    min_seen: float = field(
        0.65, "1", "Flag: least share of the inner face that the scan covers.", gt=0, le=1
    )
    max_scale: float = field(
        1.35, "1", "Flag: ratio of scan to template size (or its inverse).", gt=1
    )
    max_scale_change: float = field(
        0.07, "1", "Flag: change of size against the sequence's median.", gt=0
    )
    max_disagreement: float = field(
        2.3,
        "standard errors",
        "Flag: common offset of the landmarks from the surface or, on an adapted template, turn.",
        gt=0,
    )
    max_unlikeness: float = field(
        3.5,
        "1",
        "Flag: deviation of the face from an adapted template, over its people's in the median.",
        gt=1,
    )
    max_jitter: float = field(
        6.0, "mm", "Flag: mean distance of the inner face from the mean of its neighbours.", gt=0
    )
