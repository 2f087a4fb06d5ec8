"""Settings of the registration."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How scans are brought to the template, and when a frame is flagged."""

    resolution: float = field(2.0, "px/mm", "Raster of the cylindrical plane.", gt=0, le=8)
    jaw_weight: float = field(
        0.2, "1", "Weight of the jaw's contour, whose landmarks slide.", gt=0, le=1
    )
    outlier: float = field(
        8.0, "mm", "A landmark whose leave-one-out residual is greater is dropped.", gt=0
    )
    max_depth: float = field(
        15.0, "mm", "Greatest distance of the surface from the spline's prediction.", gt=0
    )
    max_similarity_residual: float = field(
        8.0, "mm", "Flag: landmarks further than this from the template's on average.", gt=0
    )
    max_flipped: float = field(
        0.02, "1", "Flag: share of the face's triangles turned over by the warp.", gt=0, le=1
    )
    min_seen: float = field(0.75, "1", "Flag: share of the inner face seen.", gt=0, le=1)
    max_scale: float = field(
        1.35, "1", "Flag: ratio of scan to template size (or its inverse).", gt=1
    )
    max_jitter: float = field(
        6.0, "mm", "Flag: mean distance of the inner face from the mean of its neighbours.", gt=0
    )
