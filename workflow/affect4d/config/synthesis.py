"""Settings of the synthesis room."""

from typing import Literal

from affect4d.config.base import Section, field


class Settings(Section):
    """How affect is imposed on photographs."""

    blend: Literal["warp", "poisson"] = field(
        "warp",
        "1",
        "warp: the photograph moved by a dense map; poisson: relit besides as the deformed mesh"
        " is, and completed from the other half of the face, by Poisson's equation.",
    )
    relight: float = field(
        1.0, "1", "How far poisson relights; 0 leaves the light as photographed.", ge=0, le=1
    )
    size: int = field(
        256, "pixels", "Side of the square images, in which the eyes are level.", ge=64, le=1024
    )
    margin: float = field(
        0.32, "1", "Margin around the landmarks on each side, of their extent.", ge=0.1, le=1.0
    )
    intensity: float = field(1.0, "1", "Scales the deformation.", gt=0, le=2.0)
    samples: int = field(
        0, "1", "Further images a class, of faces drawn from its blendshape weights.", ge=0, le=20
    )
    mouth_ratio: float = field(
        1.7, "1", "An opening grown beyond this ratio gets a drawn interior.", gt=1
    )
    mouth_gap: float = field(
        0.02, "1", "Growth of the opening, of the inter-ocular distance, that is never drawn.", ge=0
    )
    max_yaw: float = field(50.0, "degrees", "Photographs turned further are refused.", gt=0, le=90)
    max_flipped: float = field(0.01, "1", "Largest share of visible triangles that flip.", ge=0)
    max_folded: float = field(0.003, "1", "Largest share of face pixels where the map folds.", ge=0)
    max_revealed: float = field(
        0.03, "1", "Largest share of the face that the photograph does not show.", ge=0
    )
