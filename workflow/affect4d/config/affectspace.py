"""Settings of the affectspace room."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How the valence-arousal plane is divided and when a class suffices."""

    bins: int = field(10, "1", "Bins along each axis; the classes are its square.", ge=2, le=40)
    min_frames: int = field(6, "frames", "A class with fewer used frames is insufficient.", ge=2)
    min_subjects: int = field(
        3, "subjects", "A class with frames of fewer subjects is insufficient.", ge=1
    )
