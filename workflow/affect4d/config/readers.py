"""Settings of the readers that read a sample of each build."""

from affect4d.config.base import Section, field


class Settings(Section):
    """How much of a build is read by independent networks, where they are installed."""

    photographs: int = field(
        8, "photographs", "Photographs whose images are read, of different people; 0: none.", ge=0
    )
    images: int = field(
        16,
        "images",
        "Images of each that are read, beside the photograph and the six basic expressions, which "
        "are made for this alone.",
        ge=1,
    )
