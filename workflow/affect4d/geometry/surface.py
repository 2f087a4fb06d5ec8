"""Discrete differential geometry of triangle meshes (cotangent Laplacian after libigl)."""

import igl
import numpy as np
from scipy import sparse


def cotangent(vertices, triangles):
    """Cotangent Laplacian and lumped vertex areas.

    Parameters
    ----------
    vertices : (V, 3) array
    triangles : (F, 3) int array

    Returns
    -------
    laplacian : (V, V) csc matrix, symmetric positive semidefinite
    area : (V,) float64, squared units of the vertices; a vertex of no triangle gets the smallest
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


def vertex_normals(vertices, triangles):
    """Unit normals (V, 3) float64, weighted by triangle area; zero at unreferenced vertices."""
    vertices = np.asarray(vertices, dtype=np.float64)
    corners = vertices[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    incidence = sparse.csr_matrix(
        (
            np.ones(3 * len(triangles)),
            (np.ravel(triangles), np.repeat(np.arange(len(triangles)), 3)),
        ),
        shape=(len(vertices), len(triangles)),
    )
    normals = incidence @ face
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def edges(triangles):
    """Undirected edges (E, 2), each once, sorted."""
    triangles = np.asarray(triangles)
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def boundary_loops(triangles):
    """Vertex indices of each boundary loop, longest loop first."""
    loops = igl.boundary_loop_all(np.asarray(triangles, dtype=np.int64))
    return sorted((np.asarray(loop, dtype=np.int64) for loop in loops), key=len, reverse=True)
