"""The template every scan is brought to: menpo3d's LSFM-lineage face, or a user's own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.geometry.surface import boundary_loops
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import INNER_LIPS, NOSE_TIP
from affect4d.template.menpo3d_data import data_file

INNER_RADIUS_MM = 75.0


@dataclass(frozen=True)
class Template:
    """The common topology.

    Attributes
    ----------
    vertices : (V, 3) float32, mm; the face looks along +z, y is up, +x is the subject's left
    triangles : (F, 3) int32
    landmarks : (68, 3) float64, mm, iBUG order; not necessarily on vertices
    landmark_vertices : (68,) int64, the vertex nearest to each landmark
    inner : (V,) bool, within 75 mm of the nose tip
    lips : (L,) int64, the boundary loop along the inner lips; empty where the lips are not cut
    """

    vertices: np.ndarray
    triangles: np.ndarray
    landmarks: np.ndarray
    landmark_vertices: np.ndarray
    inner: np.ndarray
    lips: np.ndarray

    def landmarks_on(self, vertices: NDArray[np.floating]) -> NDArray[np.float64]:
        """The landmarks (68, 3), mm, on a face (V, 3), as far from the nearest vertex as here."""
        nearest = self.landmark_vertices
        offset: NDArray[np.float64] = self.landmarks - self.vertices[nearest]
        return vertices[nearest] + offset


def load_template(mesh=None, landmarks=None):
    """Load the template; menpo3d's package data when no files are given.

    Parameters
    ----------
    mesh : path, mm, optional
    landmarks : path of its 68 landmarks, mm, optional

    Raises
    ------
    BadInput
        Only one of the two is given, or a file cannot be used.
    """
    if (mesh is None) != (landmarks is None):
        raise BadInput(mesh or landmarks, "a template needs mesh and landmarks", "give both")
    if mesh is None:
        mesh, landmarks, unit = data_file("template.ply"), data_file("template.ljson"), 1e-3
    else:
        unit = 1.0
    scan = read_mesh(mesh)
    points = read_landmarks(landmarks, dimension=3) * unit
    unused = np.setdiff1d(np.arange(len(scan.vertices)), scan.triangles)
    if len(unused):
        raise BadInput(
            mesh,
            f"{len(unused)} vertices of the template belong to no triangle (first: {unused[0]})",
            "remove them",
        )
    return make_template(scan.vertices * np.float32(unit), scan.triangles, points)


def make_template(vertices, triangles, landmarks):
    """A Template from arrays (mm)."""
    vertices = np.ascontiguousarray(vertices, dtype=np.float32)
    landmark_vertices = cKDTree(vertices).query(landmarks)[1]
    tip = landmarks[NOSE_TIP]
    return Template(
        vertices=vertices,
        triangles=np.ascontiguousarray(triangles, dtype=np.int32),
        landmarks=np.asarray(landmarks, dtype=np.float64),
        landmark_vertices=landmark_vertices,
        inner=np.linalg.norm(vertices - tip, axis=1) < INNER_RADIUS_MM,
        lips=_lip_loop(vertices, triangles, landmarks),
    )


def _lip_loop(vertices, triangles, landmarks):
    """The boundary loop whose every vertex lies within the mouth's reach of the inner lips."""
    lips = landmarks[INNER_LIPS]
    centre = lips.mean(0)
    reach = 1.6 * np.linalg.norm(lips - centre, axis=1).max()
    for loop in boundary_loops(triangles):
        if np.linalg.norm(vertices[loop] - centre, axis=1).max() < reach:
            return loop
    return np.empty(0, dtype=np.int64)
