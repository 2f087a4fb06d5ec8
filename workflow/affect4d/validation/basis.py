"""The blendshape bases of the apex frames of posed expressions (paper, section 4.1).

The paper's text says blendshape model, its figures speak of principal components: both are made.
Each is spanned once by all subjects' apex frames, as in the paper, and once by the training
subjects' only, of which nothing of a test subject can leak.
"""

import logging
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA

log = logging.getLogger(__name__)

PRINCIPAL, SPARSE = "pca", "sparse"
ALL, TRAIN_ONLY = "all", "train_only"
OUTER_RADIUS_MM = 70.0
ITERATIONS = 25
TOLERANCE = 2e-3
NEGLIGIBLE = 1e-6
FULL = 2000


class Key(NamedTuple):
    """Which basis: of what kind, spanned by whose apex frames, asked for how many components."""

    kind: str
    subjects: str
    size: int

    def __str__(self):
        return f"{self.kind}_{self.subjects}_{self.size}"


def keys(sizes):
    """Every basis that is made for these sizes, in a fixed order."""
    return [
        Key(kind, subjects, size)
        for kind in (SPARSE, PRINCIPAL)
        for subjects in (ALL, TRAIN_ONLY)
        for size in sorted(set(sizes))
    ]


class Basis:
    """Components that describe difference vectors on a patch.

    Parameters
    ----------
    components : (K, 3P) float32, mm
    mean : (3P,) float32, mm
        Zero for sparse components, which start from the neutral face.
    kind : {"pca", "sparse"}
    """

    def __init__(self, components, mean, kind):
        self.components, self.mean, self.kind = components, mean, kind

    def __len__(self):
        return len(self.components)

    def project(self, D):
        """Weights (m, K) float32 of difference vectors D (m, 3P), mm.

        Principal components' are scaled to the unit of the vertices' motion, mm; sparse ones' lie
        in the box of their constraint (`blendshapes.SparseLocalizedPCA`).
        """
        if self.kind == PRINCIPAL:
            return (D - self.mean) @ self.components.T
        model = SparseLocalizedPCA(len(self))
        model.components_ = self.components.reshape(len(self), -1, 3)
        model.n_features_in_ = D.shape[1]
        return model.transform(D)


def fit_bases(apexes, patch, sizes, kind, sparsity):
    """Bases of one kind, a size each.

    Parameters
    ----------
    apexes : (m, 3P) float32, mm
        Difference vectors of the apex frames on the patch, in memory or mapped from a file.
    patch : Patch
    sizes : list of int
    kind : {"pca", "sparse"}
    sparsity : float, mm

    Returns
    -------
    dict of size to Basis; shorter than the size where the apex frames carry no more components
    """
    if kind == PRINCIPAL:
        components, mean = principal_components(apexes, max(sizes))
        return {size: Basis(components[:size], mean, PRINCIPAL) for size in sizes}
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
            model.fit(
                apexes, vertices=patch.vertices, triangles=patch.triangles, geodesics=geodesics
            )
        flat = model.components_.reshape(model.n_components_, -1).astype(np.float32)
        bases[size] = Basis(flat, np.zeros(flat.shape[1], np.float32), SPARSE)
        log.info("%d sparse components of %d asked", len(flat), size)
    return bases


def principal_components(D, most):
    """Principal components (K, 3P) float32 and the mean (3P,) of frames D (m, 3P).

    K is `most`, or fewer where an axis carries less than a millionth of the variance: a scan's
    grid of .01 mm alone does. Beyond `FULL` frames the search is randomized (Halko et al. 2011).
    """
    count = min(most, *D.shape)
    solver = "full" if len(D) <= FULL else "randomized"
    model = PCA(count, svd_solver=solver, iterated_power=4, random_state=0).fit(D)
    kept = int((model.explained_variance_ratio_ > NEGLIGIBLE).sum())
    return model.components_[:kept].astype(np.float32), model.mean_.astype(np.float32)


def stored(bases):
    """The arrays that hold bases, {Key: Basis}, by name; principal ones once for all sizes."""
    arrays = {}
    for key, basis in bases.items():
        widest = max(size for kind, subjects, size in bases if (kind, subjects) == key[:2])
        if key.kind == SPARSE or key.size == widest:
            arrays[f"{key}_components"] = basis.components
            arrays[f"{key}_mean"] = basis.mean
    return arrays


def restore(arrays, wanted):
    """{Key: Basis} of what `stored` returned, read once an array."""
    bases, widest = {}, {}
    for key in sorted(wanted, key=lambda key: (key.kind, key.subjects, -key.size)):
        if key.kind == SPARSE or key[:2] not in widest:
            components, mean = (arrays[f"{key}_{part}"][...] for part in ("components", "mean"))
            widest[key[:2]] = bases[key] = Basis(components, mean, key.kind)
        else:
            whole = widest[key[:2]]
            bases[key] = Basis(whole.components[: key.size], whole.mean, key.kind)
    return {key: bases[key] for key in wanted}
