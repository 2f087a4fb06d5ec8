"""Settings of the stage `affectspace`."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How the valence-arousal plane is divided and when a class has enough data."""

    bins: int = field(10, "bins", "Bins along each axis; the classes are its square.", ge=2, le=40)
    min_frames: int = field(
        6, "frames", "A class with fewer used frames is marked insufficient.", ge=2
    )
    min_subjects: int = field(
        3, "subjects", "A class with frames of fewer subjects is marked insufficient.", ge=1
    )
    max_delay: float = field(
        3.0,
        "frames",
        "Longest delay of annotations behind the face that is tried, at the rate of the annotated "
        "frames; 0 takes annotations as they stand. Annotators react 0.2 to 2 s late.",
        ge=0,
    )
