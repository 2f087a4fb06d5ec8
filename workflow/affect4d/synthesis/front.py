"""The part of the face that may show in any edit of a photograph, as a mesh of its own.

What turns away, however the face moves, and the neck need not be moved, drawn or lit a hundred
times: the vertices that are left, about half, are counted anew.
"""

from dataclasses import dataclass

import numpy as np

# Cosine to the line of sight of the triangles that no expression turns towards the viewer.
AVERTED = -0.5


@dataclass(frozen=True)
class Front:
    """A part of a Scene's mesh.

    Attributes
    ----------
    vertices : (U,) int64, of the whole mesh
    triangles : (T, 3) int32, into `vertices`
    faces : (T,) int64, of the whole mesh
    xy, depth : (U, 2) and (U,) float32, pixels
    visible : (T,) bool, whether the picture shows the triangle's texture; eyes excluded
    hidden : (h,) int64, triangles that an edit may bring to light
    mouth : (m, 3) int32, triangles around the mouth; mouth_visible : (m,) bool, theirs
    areas : (T,) float32, pixels^2, twice the areas in the picture
    landmarks : (68,) int64, into `vertices`
    lids : (2, U) float32, how much each vertex goes with each upper lid
    """

    vertices: np.ndarray
    triangles: np.ndarray
    faces: np.ndarray
    xy: np.ndarray
    depth: np.ndarray
    visible: np.ndarray
    hidden: np.ndarray
    mouth: np.ndarray
    mouth_visible: np.ndarray
    areas: np.ndarray
    landmarks: np.ndarray
    lids: np.ndarray


def front_of(scene):
    """The Front of a Scene."""
    anatomy = scene.anatomy
    faces = np.flatnonzero(scene.drawn & (_cosines(scene) > AVERTED))
    corners = anatomy.triangles[faces]
    vertices = np.union1d(corners, anatomy.landmark_vertices)
    position = np.empty(len(scene.xy), np.int32)
    position[vertices] = np.arange(len(vertices), dtype=np.int32)
    triangles, eyes, mouth = position[corners], anatomy.eyes[faces], anatomy.mouth[faces]
    visible = scene.visible[faces] & ~eyes
    return Front(
        vertices=vertices,
        triangles=triangles,
        faces=faces,
        xy=scene.xy[vertices],
        depth=scene.depth[vertices],
        visible=visible,
        hidden=np.flatnonzero(~visible & ~eyes),
        mouth=triangles[mouth],
        mouth_visible=visible[mouth],
        areas=scene.areas[faces],
        landmarks=position[anatomy.landmark_vertices].astype(np.int64),
        lids=anatomy.lids[:, vertices, 0],
    )


def _cosines(scene):
    """(F,) cosines of the triangles' normals to the line of sight; -1 where one has no area."""
    a, b, c = (scene.vertices[scene.anatomy.triangles[:, k]] for k in range(3))
    area = scene.scale**2 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return np.divide(scene.areas, area, out=np.full(len(area), -1.0), where=area > 0)
