"""How faces differ from the template, before any scan is seen: a Gaussian process on its surface.

The covariance is the Green's function of the bi-Laplacian, the thin-plate spline's (Wahba 1990,
ch. 1), as in Gaussian process morphable models (Luthi et al., PAMI 2018). Faces are nearly
symmetric: displacements that keep the symmetry get most of the variance. The process is kept as its
leading modes (Karhunen-Loeve, by Nystrom's method) over points that lie closest where landmarks do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from affect4d.template.ibug68 import INTERNAL, NOSE_TIP

# Spacing of the points: at the inner landmarks, its growth per mm of distance, and at most.
_MIN_SPACING_MM, _GROWTH, _MAX_SPACING_MM = 2.8, 0.25, 9.8
# The points cover the head up to this distance from the nose tip, ears included.
_HEAD_RADIUS_MM = 110.0
# Share of the variance of displacements that keep the symmetry, and modes kept: by experiment.
_SYMMETRIC_SHARE, _MODES = 0.88, 240
# That share where no symmetry is known.
_ANY_SHARE = 0.5
# A point this near to the middle is its own mirror image: less than the template's edges.
_MIDDLE_MM = 0.6
# Median distance of mirrored vertices from the template, beyond which it is not symmetric.
_MAX_ASYMMETRY_MM = 2.0
# Eigenvalues below this share of the greatest are rounding errors of the float32 columns.
_MIN_EIGENVALUE = 1e-6
_AFFINE_PRECISION = 1e-9  # inverse variance of the affine modes: free in effect


@dataclass(frozen=True)
class Prior:
    """Modes of displacement.

    Attributes
    ----------
    modes : (V, M) mm; the last four are affine and free
    precision : (3, M), inverse variance of the coefficients of x, y, z, in units of the
        process's amplitude
    """

    modes: NDArray[np.float32]
    precision: NDArray[np.float64]


def scatter(
    vertices: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    candidates: NDArray[np.int64],
    *,
    scale: float = 1.0,
) -> NDArray[np.int64]:
    """Indices of vertices spread evenly, closer where the inner landmarks are (Poisson discs).

    Parameters
    ----------
    vertices : (V, 3) mm
    landmarks : (68, 3) mm
    candidates : (N,), indices to choose from
    scale : factor of the spacing
    """
    inner = cKDTree(landmarks[INTERNAL])
    spacing = (
        np.minimum(_MIN_SPACING_MM + _GROWTH * inner.query(vertices)[0], _MAX_SPACING_MM) * scale
    )
    tree = cKDTree(vertices)
    free = np.ones(len(vertices), dtype=bool)
    chosen = []
    for point in np.random.default_rng(0).permutation(candidates):
        if free[point]:
            chosen.append(point)
            free[tree.query_ball_point(vertices[point], spacing[point])] = False
    return np.array(chosen)


def make_prior(
    vertices: NDArray[np.floating[Any]],
    landmarks: NDArray[np.float64],
    shown: NDArray[np.bool_],
    *,
    green: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    affine: NDArray[np.float64],
) -> Prior:
    """The Prior of a template.

    Parameters
    ----------
    vertices : (V, 3) mm, symmetric about x = 0 or nearly so
    landmarks : (68, 3) mm
    shown : (V,), vertices that points may lie on
    green : indices (K,) -> (V, K) mm^2, the covariance with each vertex
    affine : (V, 4), the functions that the covariance leaves free
    """
    positions = np.asarray(vertices, dtype=float)
    near = np.linalg.norm(positions - landmarks[NOSE_TIP], axis=1) < _HEAD_RADIUS_MM
    points, mirror, symmetric = _mirrored(positions, landmarks, np.flatnonzero(near & shown))
    columns = green(points).astype(np.float64)
    square = columns[points]
    square = (square + square.T) / 2
    swap = np.eye(len(points))[mirror]
    pairs: list[tuple[float, int, NDArray[np.float64]]] = []
    for parity in (1, -1):
        project = (np.eye(len(points)) + parity * swap) / 2
        values, vectors = eigh(project @ square @ project)
        kept = values > _MIN_EIGENVALUE * values[-1]
        pairs += [(value, parity, vectors[:, k]) for k, value in enumerate(values) if kept[k]]
    pairs.sort(key=lambda pair: -pair[0] * _variance(pair[1], symmetric)[1])
    pairs = pairs[:_MODES]
    weights = np.stack([vector / np.sqrt(value) for value, _, vector in pairs], axis=1)
    variance = np.stack([_variance(parity, symmetric) for _, parity, _ in pairs], axis=1)
    modes = np.concatenate([columns @ weights, affine], axis=1).astype(np.float32)
    return Prior(
        modes,
        np.concatenate([1.0 / variance, np.full((3, affine.shape[1]), _AFFINE_PRECISION)], axis=1),
    )


def _variance(parity: int, symmetric: float) -> NDArray[np.float64]:
    """Variance (3,) of a mode's x, y, z; in a mirror x turns its sign."""
    even, odd = 2 * symmetric, 2 * (1 - symmetric)
    return np.array([odd, even, even] if parity > 0 else [even, odd, odd])


def mirror_images(
    vertices: NDArray[np.float64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float]:
    """The vertex nearest to each one's mirror image (V,), and the share of symmetric variance.

    Of vertices (V, 3) mm of which those in `rows` are not symmetric, each is its own image.
    """
    distance, image = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if np.median(distance[rows]) > _MAX_ASYMMETRY_MM:
        return np.arange(len(vertices)), _ANY_SHARE
    return image, _SYMMETRIC_SHARE


def _mirrored(
    vertices: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    candidates: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Points, each one's mirror image among them, and the share of symmetric variance."""
    image, symmetric = mirror_images(vertices, candidates)
    if symmetric == _ANY_SHARE:
        points = scatter(vertices, landmarks, candidates)
        return points, np.arange(len(points)), symmetric
    x = vertices[candidates, 0]
    middle = candidates[np.abs(x) < _MIDDLE_MM]
    middle = scatter(vertices, landmarks, middle)
    taken = cKDTree(vertices[middle]).query(vertices)[0] < _MIN_SPACING_MM
    side = scatter(vertices, landmarks, candidates[(x >= _MIDDLE_MM) & ~taken[candidates]])
    points = np.concatenate([middle, side, image[side]])
    m, n = len(middle), len(side)
    mirror = np.concatenate([np.arange(m), np.arange(m + n, m + 2 * n), np.arange(m, m + n)])
    return points, mirror, symmetric
