"""Frames of five planted bumps on a small patch, and the estimator on them."""

import numpy as np

from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from support import small_gallery

VERTICES, TRIANGLES = small_gallery.patch()
CENTRES = np.array([66, 80, 220, 346, 374])
RADII = {"inner_radius": 10.0, "outer_radius": 45.0}
CONSTRAINTS = ["nonnegative", "signed"]


def planted(constraint="nonnegative", frames=60, noise=0.0, weights_seed=None):
    """Frames (m, 3V) of five disjoint bumps, and the bumps."""
    rng = np.random.default_rng(0)
    fields = small_gallery.bumps(VERTICES, CENTRES, 24, rng)
    if weights_seed is not None:
        rng = np.random.default_rng(weights_seed)
    weights = rng.beta(0.5, 1.0, size=(frames, len(CENTRES)))
    if constraint == "signed":
        weights *= rng.choice([-1, 1], size=weights.shape)
    D = weights @ fields.reshape(len(fields), -1)
    return D + noise * rng.normal(size=D.shape), fields


def fit(D, n_components=5, vertices=VERTICES, triangles=TRIANGLES, **parameters):
    parameters = {"sparsity": 0.02, **RADII, **parameters}
    return SparseLocalizedPCA(n_components, **parameters).fit(
        D, vertices=vertices, triangles=triangles
    )


def matched(found, expected):
    """For each expected field, its largest cosine with a found one, and which."""
    a = found.reshape(len(found), -1)
    b = expected.reshape(len(expected), -1)
    cosine = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    return np.abs(cosine).max(0), np.abs(cosine).argmax(0)
