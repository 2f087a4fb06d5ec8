"""Settings of the stage `synthesis`."""

from typing import Literal

from affect4d.config.base import Section, field

# Degrees: the eyes turn farther, but the head goes with them, and a photograph shows no more white.
MAX_GAZE_YAW, MAX_GAZE_PITCH = 30.0, 25.0


class Settings(Section):
    """How affect is imposed on photographs."""

    blend: Literal["warp", "poisson"] = field(
        "warp",
        "",
        "warp: the photograph moved by a dense map; poisson: also completed from the other half of "
        "the face, by solving Poisson's equation.",
    )
    relight: float = field(
        1.0, "1", "Strength of relighting as the deformed mesh; 0: as photographed.", ge=0, le=1
    )
    folds: float = field(
        1.0, "1", "Depth of the skin's folds that the deformation causes; 0: none.", ge=0, le=2
    )
    lip_thinning: float = field(
        1.0, "1", "Share of the thinning of lips that are stretched and part; 0: none.", ge=0, le=1
    )
    size: int = field(
        256, "pixels", "Side of the square images, in which the eyes are level.", ge=64, le=1024
    )
    margin: float = field(
        0.32, "1", "Margin around the landmarks, as a share of their extent.", ge=0.1, le=1.0
    )
    intensity: float = field(1.0, "1", "Factor by which the deformation is scaled.", gt=0, le=2.0)
    neutralise: bool = field(
        False,
        "",
        "Remove the expression that a photograph shows, and close its mouth, before a deformation "
        "is imposed; `fitting.max_mouth_opening` then does not refuse it.",
    )
    max_neutralised: float = field(
        8.0,
        "mm",
        "Photographs are rejected from which more would be removed, as root mean square around "
        "the mouth.",
        gt=0,
    )
    blink: float = field(
        0.0, "1", "How far the lids close, beside what the deformation does; 1: shut.", ge=0, le=1
    )
    gaze_yaw: float = field(
        0.0,
        "degrees",
        "How far the eyes turn from where they look, to the right of the picture.",
        ge=-MAX_GAZE_YAW,
        le=MAX_GAZE_YAW,
    )
    gaze_pitch: float = field(
        0.0,
        "degrees",
        "How far the eyes turn upwards from where they look.",
        ge=-MAX_GAZE_PITCH,
        le=MAX_GAZE_PITCH,
    )
    samples: int = field(
        0, "images", "Additional images per class, drawn from its blendshape weights.", ge=0, le=20
    )
    mouth_ratio: float = field(
        1.7, "1", "An opening of the mouth beyond this ratio gets an interior.", gt=1
    )
    mouth_gap: float = field(
        0.007, "inter-ocular distance", "Growth of the opening up to which it gets none.", ge=0
    )
    max_yaw: float = field(
        50.0, "degrees", "Photographs of heads turned farther are rejected.", gt=0, le=90
    )
    max_flipped: float = field(0.01, "1", "Maximum share of visible triangles that flip.", ge=0)
    max_folded: float = field(0.003, "1", "Maximum share of face pixels where the map folds.", ge=0)
    max_revealed: float = field(
        0.03, "1", "Maximum share of the synthesized face that the photograph does not show.", ge=0
    )
    min_read: float | None = field(
        None,
        "1",
        "Minimum gain of the expected expressions' probability over the photograph, as the face "
        "readers see it (`make face-readers`), beyond the centre of the plane; null: not read.",
        ge=-1,
        le=1,
    )

    @property
    def moves_eyes(self) -> bool:
        """Whether a gaze or a blink is asked for."""
        return bool(self.blink or self.gaze_yaw or self.gaze_pitch)
