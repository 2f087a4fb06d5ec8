"""The 3D morphable model: a mean face, identity and expression modes, the 68 landmarks on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from affect4d.fitting.contour import contour_lines
from affect4d.geometry.surface import vertex_normals

LANDMARKS = 68


@dataclass(frozen=True)
class MorphableModel:
    """A linear face model, V(identity, expression) = mean + identity . modes + expression . modes.

    Attributes
    ----------
    mean : (V, 3) float32, mm, in the template's frame
    identity : (Ki, V, 3) float32, mm at one standard deviation
    expression : (Ke, V, 3) float32, mm at one standard deviation
    triangles : (F, 3) int32
    landmark_vertices : (68,) int64, iBUG order, where photographs have them (`formats.ridge`)
    """

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    landmark_vertices: np.ndarray

    def __post_init__(self):
        count = len(self.mean)
        for name in ("identity", "expression"):
            modes = getattr(self, name)
            if modes.ndim != 3 or modes.shape[1:] != (count, 3):
                raise ValueError(f"{name} modes of shape {modes.shape}, expected (K, {count}, 3)")
        if self.landmark_vertices.shape != (LANDMARKS,):
            raise ValueError(f"{len(self.landmark_vertices)} landmark vertices, expected 68")

    @cached_property
    def modes(self):
        """Identity, then expression: (Ki + Ke, V, 3) float32."""
        return np.concatenate([self.identity, self.expression]).astype(np.float32)

    @cached_property
    def contour(self):
        """Vertices that may stand for each jaw landmark, (17, C) int64 (see `contour_lines`)."""
        return contour_lines(self.mean, self.mean[self.landmark_vertices])

    @cached_property
    def normals(self):
        """Unit normals of the mean face, (V, 3) float64."""
        return vertex_normals(self.mean, self.triangles)

    def shape(self, identity, expression):
        """The face (V, 3) float32 mm of the coefficients (Ki,) and (Ke,)."""
        coefficients = np.concatenate([identity, expression]).astype(np.float32)
        flat = self.modes.reshape(len(self.modes), self.mean.size)
        return self.mean + (coefficients @ flat).reshape(-1, 3)
