"""The part of the face that may show in any edit of a photograph, as a mesh of its own.

What turns away, however the face moves, and the neck need not be moved, drawn or lit a hundred
times: the vertices that are left, about half, are counted anew.
"""

from dataclasses import dataclass
from functools import partial

import numba
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
    nearness : (U,) float32, the Scene's
    visible : (v, 3) int32, those triangles whose texture the picture shows; eyes excluded
    areas : (v,) float32, pixels^2, twice theirs in the picture
    hidden : (h,) int64, triangles that an edit may bring to light
    mouth_vertices : (n,) int64, into `vertices`, around the mouth
    mouth : (m, 3) int32, triangles of theirs; mouth_visible : (m,) bool
    landmarks : (68,) int64, into `vertices`
    lids : (2, U) float32, how much each vertex goes with each upper lid
    """

    vertices: np.ndarray
    triangles: np.ndarray
    faces: np.ndarray
    xy: np.ndarray
    depth: np.ndarray
    nearness: np.ndarray
    visible: np.ndarray
    areas: np.ndarray
    hidden: np.ndarray
    mouth_vertices: np.ndarray
    mouth: np.ndarray
    mouth_visible: np.ndarray
    landmarks: np.ndarray
    lids: np.ndarray


def front_of(scene):
    """The Front of a Scene."""
    anatomy, rows = scene.anatomy, partial(np.take, axis=0)  # several times as fast as brackets
    averted = _averted(scene.vertices, anatomy.triangles, scene.areas, scene.scale)
    faces = np.flatnonzero(scene.drawn & ~averted)
    corners = rows(anatomy.triangles, faces)
    vertices, position = _counted(len(scene.xy), corners, anatomy.landmark_vertices)
    triangles, eyes, mouth = rows(position, corners), anatomy.eyes[faces], anatomy.mouth[faces]
    visible = scene.visible[faces] & ~eyes
    around_mouth = np.compress(mouth, triangles, axis=0)
    mouth_vertices, of_mouth = _counted(len(vertices), around_mouth)
    return Front(
        vertices=vertices,
        triangles=triangles,
        faces=faces,
        xy=rows(scene.xy, vertices),
        depth=scene.depth[vertices],
        nearness=scene.nearness[vertices],
        visible=np.compress(visible, triangles, axis=0),
        areas=scene.areas[faces[visible]],
        hidden=np.flatnonzero(~visible & ~eyes),
        mouth_vertices=mouth_vertices,
        mouth=of_mouth[around_mouth],
        mouth_visible=visible[mouth],
        landmarks=position[anatomy.landmark_vertices].astype(np.int64),
        lids=np.take(anatomy.lids[..., 0], vertices, axis=1),
    )


def _counted(count, *indices):
    """Those of `count` things that some indices name, and the number of each among them."""
    needed = np.zeros(count, dtype=bool)
    for own in indices:
        needed[own] = True
    named = np.flatnonzero(needed)
    position = np.empty(count, np.int32)
    position[named] = np.arange(len(named), dtype=np.int32)
    return named, position


@numba.njit(cache=True)
def _averted(vertices, triangles, areas, scale):
    """(F,) bool: triangles whose normal has a cosine of at most AVERTED to the line of sight."""
    averted = np.ones(len(triangles), np.bool_)
    for f in range(len(triangles)):
        a, b, c = vertices[triangles[f, 0]], vertices[triangles[f, 1]], vertices[triangles[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        area = scale * scale * np.sqrt(x * x + y * y + z * z)
        averted[f] = area == 0 or areas[f] <= AVERTED * area
    return averted
