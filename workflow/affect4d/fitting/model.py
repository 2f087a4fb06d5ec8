"""The 3D morphable model: a mean face, identity and expression modes, the 68 landmarks on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from affect4d.fitting.contour import contour_lines
from affect4d.geometry.surface import vertex_normals
from affect4d.template.ibug68 import CHIN, COUNT, INTERNAL, NOSE_TIP

FEATURE_MM, FACE_MM, CHIN_MM, SKIN_STEP_MM = 9.0, 85.0, 6.0, 10.0


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
        if self.landmark_vertices.shape != (COUNT,):
            raise ValueError(f"{len(self.landmark_vertices)} landmark vertices, expected {COUNT}")

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

    @cached_property
    def skin(self):
        """Vertices some 10 mm apart on skin between the features, (N,) int64."""
        features = self.mean[self.landmark_vertices[INTERNAL]]
        bare = cKDTree(features).query(self.mean)[0] > FEATURE_MM
        tip, chin = self.mean[self.landmark_vertices[[NOSE_TIP, CHIN]]]
        face = np.linalg.norm(self.mean - tip, axis=1) < FACE_MM
        places = np.flatnonzero(bare & face & (self.mean[:, 1] > chin[1] + CHIN_MM))
        cells = np.floor(self.mean[places] / SKIN_STEP_MM).astype(int)
        return places[np.sort(np.unique(cells, axis=0, return_index=True)[1])]

    def shape(self, identity, expression):
        """The face (V, 3) float32 mm of the coefficients (Ki,) and (Ke,)."""
        return self.shapes(np.concatenate([identity, expression])[None])[0]

    def shapes(self, coefficients):
        """Faces (N, V, 3) float32 mm of coefficients (N, Ki + Ke), identity before expression."""
        flat = self.modes.reshape(len(self.modes), self.mean.size)
        faces = (np.asarray(coefficients, dtype=np.float32) @ flat).reshape(-1, *self.mean.shape)
        faces += self.mean
        return faces
