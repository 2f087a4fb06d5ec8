"""A photograph as the model explains it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from affect4d.fitting.camera import Camera


@dataclass(frozen=True)
class Fit:
    """A photograph explained by the model.

    Attributes
    ----------
    camera : that took the photograph
    identity : (Ki,) standard deviations
    expression : (Ke,) standard deviations
    vertices : (V, 3) mm, the fitted face in the template's frame: the mean's, identity's,
        expression's and a smooth field's that the model's people do not span
    offset : (V, 2) pixels; project(vertices)[:, :2] + offset meets the landmarks
    landmarks : (68, 2) pixels; one that was rejected is where the fit has it
    quality : see `affect4d.fitting.quality.measure`
    image : (H, W, 3), the photograph; None where the fit was read from a store
    """

    camera: Camera
    identity: NDArray[np.float64]
    expression: NDArray[np.float64]
    vertices: NDArray[np.float32]
    offset: NDArray[np.float32]
    landmarks: NDArray[np.float64]
    quality: dict[str, float] = field(default_factory=dict)
    image: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
