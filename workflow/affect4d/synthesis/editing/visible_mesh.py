"""The part of the face that may show in any edit of a photograph, as a mesh of its own.

What turns away, however the face moves, and the neck need not be moved, drawn or lit a hundred
times: the vertices that are left, about half, are counted anew.
"""

from dataclasses import dataclass
from functools import partial

import igl
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.scene import Scene

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

# Cosine to the line of sight of the triangles that no expression turns towards the viewer.
MAX_AVERTED_COSINE = -0.5


@dataclass(frozen=True)
class VisibleSubmesh:
    """A part of a Scene's mesh.

    Attributes
    ----------
    vertices : (U,), of the complete mesh
    triangles : (T, 3), into `vertices`
    faces : (T,), of the complete mesh
    xy, depth : (U, 2) and (U,), pixels
    nearness : (U,), the Scene's
    visible : (v, 3), those triangles whose texture the picture shows; eyes excluded
    areas : (v,), pixels^2, twice theirs in the picture
    hidden : (h,), numbers of the triangles that an edit may reveal
    mouth_vertices : (n,), into `vertices`, those of the next two
    mouth_rim : (e, 2), of `mouth_vertices`: the outline of what the picture shows around the
        mouth, in the direction of its triangles
    mouth_hidden : (m, 3), of `mouth_vertices`: the triangles around the mouth that it hides
    landmarks : (68,), into `vertices`
    edges : (8, U), how much each vertex goes with each upper lid and each point of the inner lips
    """

    vertices: NDArray[np.int64]
    triangles: Ints
    faces: NDArray[np.int64]
    xy: Floats
    depth: Floats
    nearness: Floats
    visible: Ints
    areas: Floats
    hidden: NDArray[np.int64]
    mouth_vertices: NDArray[np.int64]
    mouth_rim: Ints
    mouth_hidden: Ints
    landmarks: NDArray[np.int64]
    edges: Floats


def visible_submesh(scene: Scene) -> VisibleSubmesh:
    """The VisibleSubmesh of a Scene."""
    anatomy, rows = scene.anatomy, partial(np.take, axis=0)  # several times as fast as brackets
    averted = _averted(scene.vertices, anatomy.triangles, scene.areas, scene.scale)
    faces = np.flatnonzero(scene.drawn & ~averted)
    corners = rows(anatomy.triangles, faces)
    vertices, position = _renumber(len(scene.xy), corners, anatomy.landmark_vertices)
    triangles, eyes, mouth = rows(position, corners), anatomy.eyes[faces], anatomy.mouth[faces]
    visible = scene.visible[faces] & ~eyes
    rim = igl.boundary_facets(np.compress(mouth & visible, triangles, axis=0))[0]
    hidden = np.compress(mouth & ~visible, triangles, axis=0)
    mouth_vertices, of_mouth = _renumber(len(vertices), rim, hidden)
    return VisibleSubmesh(
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
        mouth_rim=of_mouth[rim],
        mouth_hidden=of_mouth[hidden],
        landmarks=position[anatomy.landmark_vertices].astype(np.int64),
        edges=np.take(np.concatenate([anatomy.lids, anatomy.lips])[..., 0], vertices, axis=1),
    )


def _renumber(count: int, *indices: NDArray[np.integer]) -> tuple[NDArray[np.int64], Ints]:
    """Those of `count` vertices that some indices name, and the number of each among them."""
    needed = np.zeros(count, dtype=bool)
    for some in indices:
        needed[some] = True
    named = np.flatnonzero(needed)
    position = np.empty(count, np.int32)
    position[named] = np.arange(len(named), dtype=np.int32)
    return named, position


@numba.njit(cache=True)
def _averted(vertices: Floats, triangles: Ints, areas: Floats, scale: float) -> Bools:
    """(F,) bool: triangles that turn away from the viewer by at least MAX_AVERTED_COSINE."""
    averted = np.ones(len(triangles), np.bool_)
    for f in range(len(triangles)):
        a, b, c = vertices[triangles[f, 0]], vertices[triangles[f, 1]], vertices[triangles[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        area = scale * scale * np.sqrt(x * x + y * y + z * z)
        averted[f] = area == 0 or areas[f] <= MAX_AVERTED_COSINE * area
    return averted
