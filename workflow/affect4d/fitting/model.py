"""The 3D morphable model: a mean face, identity and expression modes, the 68 landmarks on it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from affect4d.fitting.contour import contour_lines
from affect4d.geometry.surface import vertex_normals
from affect4d.template.ibug68 import CHIN, COUNT, INTERNAL, NOSE_TIP

# Of the skin that is compared with itself (`image_quality.covered`), in mm of the mean face.
FEATURE_MM = 9.0  # distance from every inner landmark: beyond, there are no lips, brows and lids
FACE_MM = 85.0  # distance from the nose tip: beyond, hair may be
CHIN_MM = 6.0  # height above the chin: below, a beard or a collar may be
SKIN_STEP_MM = 10.0  # side of the cells of which one vertex each is used


@dataclass(frozen=True)
class MorphableModel:
    """A linear face model, V(identity, expression) = mean + identity . modes + expression . modes.

    Attributes
    ----------
    mean : (V, 3) mm, in the template's frame
    identity : (Ki, V, 3) mm at one standard deviation
    expression : (Ke, V, 3) mm at one standard deviation
    triangles : (F, 3)
    landmark_vertices : (68,), iBUG order, where photographs have them (`template.nose_ridge`)
    smooth : (Ks, V, 3) mm, for faces that identity does not span (`fitting.smooth_identity`)
    """

    mean: NDArray[np.float32]
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmark_vertices: NDArray[np.int64]
    smooth: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))

    def __post_init__(self) -> None:
        count = len(self.mean)
        if not len(self.smooth):
            object.__setattr__(self, "smooth", self.smooth.reshape(0, count, 3))
        for name in ("identity", "expression", "smooth"):
            modes = getattr(self, name)
            if modes.ndim != 3 or modes.shape[1:] != (count, 3):
                raise ValueError(f"{name} modes of shape {modes.shape}, expected (K, {count}, 3)")
        if self.landmark_vertices.shape != (COUNT,):
            raise ValueError(f"{len(self.landmark_vertices)} landmark vertices, expected {COUNT}")

    @cached_property
    def modes(self) -> NDArray[np.float32]:
        """Identity, then expression: (Ki + Ke, V, 3)."""
        modes: NDArray[np.float32] = np.concatenate([self.identity, self.expression]).astype(
            np.float32
        )
        return modes

    @cached_property
    def contour(self) -> NDArray[np.int64]:
        """Candidate vertices for each jaw landmark, (17, C) (see `contour_lines`)."""
        return contour_lines(self.mean, self.mean[self.landmark_vertices])

    @cached_property
    def normals(self) -> NDArray[np.float64]:
        """Unit normals of the mean face, (V, 3)."""
        return vertex_normals(self.mean, self.triangles)

    @cached_property
    def skin(self) -> NDArray[np.int64]:
        """Vertices some 10 mm apart on skin between the features, (N,)."""
        features = self.mean[self.landmark_vertices[INTERNAL]]
        bare = cKDTree(features).query(self.mean)[0] > FEATURE_MM
        tip, chin = self.mean[self.landmark_vertices[[NOSE_TIP, CHIN]]]
        face = np.linalg.norm(self.mean - tip, axis=1) < FACE_MM
        skin = np.flatnonzero(bare & face & (self.mean[:, 1] > chin[1] + CHIN_MM))
        cells = np.floor(self.mean[skin] / SKIN_STEP_MM).astype(int)
        chosen: NDArray[np.int64] = skin[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
        return chosen

    def shape(
        self, identity: NDArray[np.floating], expression: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """The face (V, 3) mm of the coefficients (Ki,) and (Ke,)."""
        face: NDArray[np.float32] = self.shapes(np.concatenate([identity, expression])[None])[0]
        return face

    def shapes(self, coefficients: ArrayLike) -> NDArray[np.float32]:
        """Faces (N, V, 3) mm of coefficients (N, Ki + Ke), identity before expression."""
        flat = self.modes.reshape(len(self.modes), self.mean.size)
        weights = np.asarray(coefficients, dtype=np.float32)
        faces: NDArray[np.float32] = (weights @ flat).reshape(-1, *self.mean.shape)
        faces += self.mean
        return faces

    def smooth_fields(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """Displacements (N, V, 3) mm of coefficients (N, Ks) of the smooth modes, mm."""
        flat = self.smooth.reshape(len(self.smooth), self.mean.size)
        fields: NDArray[np.float32] = coefficients.astype(np.float32) @ flat
        return fields.reshape(-1, *self.mean.shape)
