"""Options of `affect4d synth` and `play` as they are typed."""

import logging
from collections.abc import Callable

from affect4d.blendshapes.components import MAX_INTENSITY
from affect4d.blendshapes.path import resample
from affect4d.config.synthesis import MAX_GAZE_PITCH, MAX_GAZE_YAW

log = logging.getLogger(__name__)


def parse_path(text: str, frames: int) -> list[tuple[float, float]]:
    """So many points along a path written as V,A:V,A:..., those that are written among them.

    Raises
    ------
    ValueError
        As of `parse_points`, or it has more points than images are asked for.
    """
    points = parse_points(text)
    try:
        return [(float(v), float(a)) for v, a in resample(points, frames)]
    except ValueError as error:
        raise ValueError(f"{error}; --frames gives {frames}") from None


def parse_points(text: str) -> list[tuple[float, float]]:
    """The points of a path written as V,A:V,A:...

    Raises
    ------
    ValueError
        The text is no such path, has less than two points, or one outside the plane.
    """
    try:
        points = [(float(v), float(a)) for v, a in (pair.split(",") for pair in text.split(":"))]
    except ValueError:
        raise ValueError(f"{text!r} is not V,A:V,A:...") from None
    for pair, point in zip(text.split(":"), points, strict=True):
        if not all(-1 <= value <= 1 for value in point):
            raise ValueError(f"{pair}: valence and arousal lie between -1 and 1")
    if len(points) < 2:
        raise ValueError("a path needs at least two points V,A:V,A")
    return points


def parse_component(text: str) -> tuple[str, str]:
    """Class, and region or number of a component, written as CLASS:REGION or CLASS:K.

    Raises
    ------
    ValueError
        The text is no such name.
    """
    name, _, component = text.rpartition(":")
    if not name or not component:
        raise ValueError(f"{text!r} is not CLASS:REGION or CLASS:K")
    return name, component


def parse_gaze(text: str) -> dict[str, float]:
    """The settings of a gaze written as YAW,PITCH, degrees.

    Raises
    ------
    ValueError
        The text is no such pair, or an angle is greater than the eyes are turned.
    """
    try:
        yaw, pitch = (float(angle) for angle in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not YAW,PITCH, two angles in degrees") from None
    if not (abs(yaw) <= MAX_GAZE_YAW and abs(pitch) <= MAX_GAZE_PITCH):
        raise ValueError(
            f"{text!r}: the gaze turns by at most {MAX_GAZE_YAW:g} degrees to either side and "
            f"{MAX_GAZE_PITCH:g} up or down"
        )
    return {"gaze_yaw": yaw, "gaze_pitch": pitch}


def limit_intensity(intensity: float | None, say: Callable[[str], None] = log.warning) -> float:
    """The intensity of a component: at most what most frames show, said so if it is less."""
    if intensity is not None and intensity > MAX_INTENSITY:
        say(
            f"--intensity {intensity:g}: a component goes no further than nearly all frames of the "
            f"class do, {MAX_INTENSITY:g}"
        )
    return MAX_INTENSITY if intensity is None else min(intensity, MAX_INTENSITY)
