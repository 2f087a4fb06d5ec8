"""The blendshape basis of the apex frames of posed expressions (paper, section 4.1).

The basis lives on a part of the template: the inner face, thinned to a few thousand vertices by
edge collapse, each kept vertex being one of the template's own. Several hundred components stay
affordable this way, and the neighbouring vertices left out move with those kept.
"""

import warnings
from dataclasses import dataclass

import igl
import numpy as np
from sklearn.decomposition import PCA

from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA

OUTER_RADIUS_MM = 70.0
ITERATIONS = 25
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Patch:
    """The part of the template that validation looks at.

    Attributes
    ----------
    index : (P,) int array, the template's vertices kept
    vertices : (P, 3), mm
    triangles : (F, 3) int array into the kept vertices
    """

    index: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray


def make_patch(vertices, triangles, inner, count):
    """Thin the inner face to about `count` vertices; 0 keeps the whole mesh.

    Parameters
    ----------
    vertices : (V, 3), mm
    triangles : (F, 3)
    inner : (V,) bool
    count : int
    """
    if count == 0:
        return Patch(np.arange(len(vertices)), vertices, triangles)
    index = np.flatnonzero(inner)
    position = np.full(len(vertices), -1)
    position[index] = np.arange(len(index))
    triangles = position[triangles[inner[triangles].all(1)]]
    if count < len(index):
        _, triangles, _, birth = igl.decimate(
            np.asfortranarray(vertices[index], dtype=np.float64),
            np.asfortranarray(triangles, dtype=np.int32),
            2 * count,
        )
        index = index[birth]
    return Patch(index, vertices[index], triangles)


def fit_bases(D, patch, sizes, kind, sparsity):
    """Fit one basis a size.

    Parameters
    ----------
    D : (m, 3P) float32, mm
        Difference vectors of the apex frames on the patch.
    patch : Patch
    sizes : list of int
    kind : {"sparse", "pca"}
    sparsity : float, mm

    Returns
    -------
    dict of size to a fitted transformer; its `n_components_` is below the size where the apex
    frames carry no more components.
    """
    if kind == "pca":
        rank = np.linalg.matrix_rank(D - D.mean(0))
        return {
            size: PCA(min(size, rank), svd_solver="full").fit(D.astype(np.float64))
            for size in sizes
        }
    geodesics = Geodesics(patch.vertices, patch.triangles, OUTER_RADIUS_MM)
    bases = {}
    for size in sizes:
        model = SparseLocalizedPCA(
            size,
            sparsity=sparsity,
            outer_radius=OUTER_RADIUS_MM,
            max_iter=ITERATIONS,
            tol=TOLERANCE,
        )
        with warnings.catch_warnings():
            # A row of the table says that a size was not attained.
            warnings.simplefilter("ignore")
            bases[size] = model.fit(
                D, vertices=patch.vertices, triangles=patch.triangles, geodesics=geodesics
            )
    return bases
