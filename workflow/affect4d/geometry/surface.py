"""Discrete differential geometry of triangle meshes (cotangent Laplacian after libigl)."""

from typing import Any

import igl
import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def cotangent(vertices: Floats, triangles: Ints) -> tuple[sparse.csc_matrix, NDArray[np.float64]]:
    """Cotangent Laplacian and lumped vertex areas.

    Parameters
    ----------
    vertices : (V, 3)
    triangles : (F, 3)

    Returns
    -------
    laplacian : (V, V), symmetric positive semidefinite
    area : (V,), squared units of the vertices; a vertex of no triangle gets the smallest
        positive area, so that 1 / area stays finite
    """
    vertices = np.asarray(vertices, dtype=np.float64)
    triangles = np.asarray(triangles, dtype=np.int64)
    laplacian = -igl.cotmatrix(vertices, triangles)
    area = igl.massmatrix(vertices, triangles, igl.MASSMATRIX_TYPE_VORONOI).diagonal().copy()
    empty = ~(area > 0)
    if empty.any():
        area[empty] = area[~empty].min() if (~empty).any() else 1.0
    return sparse.csc_matrix(laplacian), area


def vertex_normals(vertices: Floats, triangles: Ints) -> NDArray[np.float64]:
    """Unit normals (V, 3), weighted by triangle area; zero at unreferenced vertices."""
    return _vertex_normals(
        np.ascontiguousarray(vertices, dtype=np.float64),
        np.ascontiguousarray(triangles, dtype=np.int32),
    )


@numba.njit(cache=True)
def _vertex_normals(
    vertices: NDArray[np.float64], triangles: NDArray[np.int32]
) -> NDArray[np.float64]:
    normals = np.zeros_like(vertices)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += x
            normals[corner, 1] += y
            normals[corner, 2] += z
    for v in range(len(normals)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[v, k] /= length
    return normals


def edges(triangles: Ints) -> Ints:
    """Undirected edges (E, 2) of triangles (F, 3), each once, sorted."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def boundary_loops(triangles: Ints) -> list[NDArray[np.int64]]:
    """Vertex indices of each boundary loop of triangles (F, 3), longest loop first."""
    loops = igl.boundary_loop_all(np.asarray(triangles, dtype=np.int64))
    return sorted((np.asarray(loop, dtype=np.int64) for loop in loops), key=len, reverse=True)


def subdivide(triangles: Ints, count: int) -> tuple[Ints, Ints]:
    """Triangles split into four at the middles of their edges.

    `igl.upsample` would do it, but aborts the process (libigl 2.6.3).

    Parameters
    ----------
    triangles : (F, 3)
    count : number of vertices

    Returns
    -------
    triangles : (4 F, 3)
    ends : (E, 2), the vertices in whose middle the new vertex `count` + row lies
    """
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    ends, side = np.unique(sides, axis=0, return_inverse=True)
    (a, b, c), (ab, bc, ca) = triangles.T, count + side.reshape(-1, 3).T
    corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([np.stack(corner, axis=1) for corner in corners]), ends
