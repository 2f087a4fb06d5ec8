"""The blendshape bases of the apex frames of posed expressions (paper, section 4.1).

The paper's text says blendshape model, its figures principal components: both are computed.
Each is spanned once by all subjects' apex frames, as in the paper, and once by the training
subjects' only, of which nothing of a test subject can leak.
"""

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from affect4d.store import Store
from affect4d.validation.patch import Patch

log = logging.getLogger(__name__)

PRINCIPAL, SPARSE = "pca", "sparse"
ALL, TRAIN_ONLY = "all", "train_only"
# Of the sparse components: the geodesic distance at which their support ends, and when to stop;
# coarser than the atlas's own, so that hundreds of components are affordable.
OUTER_RADIUS_MM = 70.0
MAX_ITERATIONS = 25  # alternations
TOLERANCE = 2e-3  # relative change of the objective
# Of the principal components: what ends them.
MIN_VARIANCE_RATIO = 1e-6  # share of the variance: a scan's grid of .01 mm alone has less
MAX_FRAMES_FULL = 2000  # frames up to which all axes are computed
POWER_ITERATIONS = 4  # of the randomized search (Halko et al. 2011, section 4.5)

Floats32 = NDArray[np.float32]


class Key(NamedTuple):
    """Which basis: of what kind, spanned by whose apex frames, of how many components."""

    kind: str
    subjects: str
    size: int

    def __str__(self) -> str:
        return f"{self.kind}_{self.subjects}_{self.size}"


def keys(sizes: Iterable[int]) -> list[Key]:
    """Every basis of these sizes, in a fixed order."""
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
    components : (K, 3P) mm
    mean : (3P,) mm; zero for sparse components, which start from the neutral face
    kind : {"pca", "sparse"}
    """

    def __init__(self, components: Floats32, mean: Floats32, kind: str) -> None:
        self.components, self.mean, self.kind = components, mean, kind

    def __len__(self) -> int:
        return len(self.components)

    def project(self, D: Floats32) -> Floats32:
        """Weights (m, K) of difference vectors D (m, 3P), mm.

        Those of principal components are in mm of the vertices' motion; those of sparse ones lie
        in the box of their constraint (`SparseLocalizedPCA`).
        """
        if self.kind == PRINCIPAL:
            centred: Floats32 = D - self.mean
            projected: Floats32 = np.matmul(centred, self.components.T)
            return projected
        model = SparseLocalizedPCA(len(self))
        model.components_ = self.components.reshape(len(self), -1, 3)
        model.n_features_in_ = D.shape[1]
        weights: Floats32 = model.transform(D)
        return weights


def fit_bases(
    apexes: Floats32, patch: Patch, sizes: list[int], *, kind: str, sparsity: float
) -> dict[int, Basis]:
    """Bases of one kind, one per size.

    Parameters
    ----------
    apexes : (m, 3P) mm
        Difference vectors of the apex frames on the patch, in memory or mapped from a file.
    patch : of P vertices
    sizes : numbers of components
    kind : {"pca", "sparse"}
    sparsity : mm

    Returns
    -------
    {size: Basis}, shorter than the size where the apex frames carry no more components
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
            max_iter=MAX_ITERATIONS,
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
        log.info("%d sparse components of %d requested", len(flat), size)
    return bases


def principal_components(D: Floats32, max_components: int) -> tuple[Floats32, Floats32]:
    """Principal components (K, 3P) and the mean (3P,) of frames D (m, 3P).

    K is `max_components`, or fewer where an axis carries less than `MIN_VARIANCE_RATIO`. Beyond
    `MAX_FRAMES_FULL` frames the search is randomized (Halko et al. 2011).
    """
    count = min(max_components, *D.shape)
    solver = "full" if len(D) <= MAX_FRAMES_FULL else "randomized"
    model = PCA(count, svd_solver=solver, iterated_power=POWER_ITERATIONS, random_state=0).fit(D)
    kept = int((model.explained_variance_ratio_ > MIN_VARIANCE_RATIO).sum())
    return model.components_[:kept].astype(np.float32), model.mean_.astype(np.float32)


def to_arrays(bases: Mapping[Key, Basis]) -> dict[str, Floats32]:
    """The arrays that hold bases, by name; principal ones once for all sizes."""
    arrays = {}
    for key, basis in bases.items():
        widest = max(size for kind, subjects, size in bases if (kind, subjects) == key[:2])
        if key.kind == SPARSE or key.size == widest:
            arrays[f"{key}_components"] = basis.components
            arrays[f"{key}_mean"] = basis.mean
    return arrays


def from_arrays(arrays: Mapping[str, Any] | Store, wanted: list[Key]) -> dict[Key, Basis]:
    """The bases `wanted` of what `to_arrays` returned, each array read once."""
    bases: dict[Key, Basis] = {}
    widest: dict[tuple[str, ...], Basis] = {}
    for key in sorted(wanted, key=lambda key: (key.kind, key.subjects, -key.size)):
        if key.kind == SPARSE or key[:2] not in widest:
            components, mean = (arrays[f"{key}_{part}"][...] for part in ("components", "mean"))
            widest[key[:2]] = bases[key] = Basis(components, mean, key.kind)
        else:
            full = widest[key[:2]]
            bases[key] = Basis(full.components[: key.size], full.mean, key.kind)
    return {key: bases[key] for key in wanted}
