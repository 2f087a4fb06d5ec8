"""The template every scan is brought to: menpo3d's LSFM-lineage face, or a user's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.geometry.surface import boundary_loops
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import INNER_LIPS, NOSE_TIP
from affect4d.template.menpo3d_data import data_file

INNER_RADIUS_MM = 75.0  # of the inner face, about the nose tip: chin and temples lie within
# The loop of the lips' edge lies within this many times the inner lips' radius.
_LIP_LOOP_RADIUS = 1.6


@dataclass(frozen=True)
class Template:
    """The common topology.

    Attributes
    ----------
    vertices : (V, 3) mm; the face looks along +z, y is up, +x is the subject's left
    triangles : (F, 3)
    landmarks : (68, 3) mm, iBUG order; not necessarily on vertices
    landmark_vertices : (68,), the vertex nearest to each landmark
    inner : (V,), within 75 mm of the nose tip
    lips : (L,), the boundary loop along the inner lips; empty where the lips are not cut
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.float64]
    landmark_vertices: NDArray[np.int64]
    inner: NDArray[np.bool_]
    lips: NDArray[np.int64]

    def landmarks_on(self, face: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The landmarks (68, 3) mm on a face (V, 3) of this topology: each keeps its offset from
        the nearest vertex."""
        nearest = self.landmark_vertices
        landmarks: NDArray[np.float64] = face[nearest] + (self.landmarks - self.vertices[nearest])
        return landmarks


def load_template(mesh: Path | str | None = None, landmarks: Path | str | None = None) -> Template:
    """Load the template; menpo3d's package data when no files are given.

    Parameters
    ----------
    mesh : file in mm
    landmarks : file of its 68 landmarks, mm

    Raises
    ------
    BadInput
        Only one of the two is given, or a file cannot be used.
    """
    if mesh is None and landmarks is None:
        mesh, landmarks, unit = data_file("template.ply"), data_file("template.ljson"), 1e-3
    elif mesh is None or landmarks is None:
        raise BadInput(mesh or landmarks or "", "a template needs mesh and landmarks", "give both")
    else:
        unit = 1.0
    scan = read_mesh(mesh)
    points = (read_landmarks(landmarks, dimension=3) - scan.origin) * unit
    unused = np.setdiff1d(np.arange(len(scan.vertices)), scan.triangles)
    if len(unused):
        raise BadInput(
            mesh,
            f"{len(unused)} vertices of the template belong to no triangle (first: {unused[0]})",
            "remove them",
        )
    return make_template(scan.vertices * np.float32(unit), scan.triangles, points)


def make_template(
    vertices: NDArray[np.floating[Any]],
    triangles: NDArray[np.integer[Any]],
    landmarks: NDArray[np.floating[Any]],
) -> Template:
    """A Template from vertices (V, 3) mm, triangles (F, 3) and landmarks (68, 3) mm."""
    positions = np.ascontiguousarray(vertices, dtype=np.float32)
    return Template(
        vertices=positions,
        triangles=np.ascontiguousarray(triangles, dtype=np.int32),
        landmarks=np.asarray(landmarks, dtype=np.float64),
        landmark_vertices=cKDTree(positions).query(landmarks)[1],
        inner=np.linalg.norm(positions - landmarks[NOSE_TIP], axis=1) < INNER_RADIUS_MM,
        lips=_lip_loop(positions, triangles, landmarks),
    )


def _lip_loop(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.integer[Any]],
    landmarks: NDArray[np.floating[Any]],
) -> NDArray[np.int64]:
    """The boundary loop (L,) whose every vertex lies near the inner lips; empty without any."""
    lips = landmarks[INNER_LIPS]
    centre = lips.mean(0)
    radius = _LIP_LOOP_RADIUS * np.linalg.norm(lips - centre, axis=1).max()
    for loop in boundary_loops(triangles):
        if np.linalg.norm(vertices[loop] - centre, axis=1).max() < radius:
            return loop
    return np.empty(0, dtype=np.int64)
