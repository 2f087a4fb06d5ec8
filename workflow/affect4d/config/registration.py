"""Settings of the registration."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How scans are brought to the template, and when a frame is flagged."""

    resolution: float = field(1.5, "px/mm", "Raster of the cylindrical plane.", gt=0, le=8)
    jaw_weight: float = field(
        0.2, "1", "Weight of the jaw's contour, whose landmarks slide.", gt=0, le=1
    )
    refinements: int = field(
        3,
        "1",
        "Steps that fit surface and landmarks together; 0: landmarks only.",
        ge=0,
        le=9,
    )
    surface_noise: float = field(
        0.3, "mm", "How far the surface is trusted beside the landmarks.", gt=0
    )
    smoothing: int = field(
        2, "1", "Averages over neighbouring vertices, against the scanner's noise.", ge=0, le=20
    )
    tracking: bool = field(
        True, "1", "Follow the skin's pattern from the neutral frame on, where there is a texture."
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
        8.0, "mm", "Flag: landmarks further than this from the template's on average.", gt=0
    )
    max_flipped: float = field(
        0.02, "1", "Flag: share of the face's triangles turned over by the warp.", gt=0, le=1
    )
    min_seen: float = field(0.65, "1", "Flag: share of the inner face seen.", gt=0, le=1)
    max_scale: float = field(
        1.35, "1", "Flag: ratio of scan to template size (or its inverse).", gt=1
    )
    max_scale_change: float = field(
        0.07, "1", "Flag: change of size against the sequence's median.", gt=0
    )
    max_disagreement: float = field(
        2.3, "1", "Flag: landmarks as a whole beside the surface, in standard errors.", gt=0
    )
    max_jitter: float = field(
        6.0, "mm", "Flag: mean distance of the inner face from the mean of its neighbours.", gt=0
    )
