"""How faces differ from the template, before any scan is seen: a Gaussian process on its surface.

The covariance is the Green's function of the bi-Laplacian, the thin-plate spline's (Wahba 1990,
ch. 1), as in Gaussian process morphable models (Luthi et al., PAMI 2018). Faces are nearly
symmetric: displacements that keep the symmetry get most of the variance. The process is kept as its
leading modes (Karhunen-Loeve, by Nystrom's method) over points that lie closest where landmarks do.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from affect4d.template.ibug68 import INTERNAL, NOSE_TIP

# Spacing of the points (mm): at the inner landmarks, its growth with distance, at most.
_SPACING_MM, _GROWTH, _WIDEST_MM = 2.8, 0.25, 9.8
# The points cover the head up to this distance (mm) from the nose tip.
_REACH_MM = 110.0
# Share of the variance of displacements that keep the symmetry, and modes kept.
_SYMMETRIC, _MODES = 0.88, 240
# A point this near to the middle (mm) is its own mirror image.
_MIDDLE_MM = 0.6
# Beyond this (mm, median) the template is not symmetric and neither is the prior.
_ASYMMETRIC_MM = 2.0


@dataclass(frozen=True)
class Prior:
    """Modes of displacement.

    Attributes
    ----------
    modes : (V, M) float32, mm; the last four are affine and free
    precision : (3, M) float64, inverse variance of the coefficients of x, y, z, in units of the
        process's amplitude
    """

    modes: np.ndarray
    precision: np.ndarray


def scatter(vertices, landmarks, candidates, scale=1.0):
    """Indices of vertices spread evenly, closer where the inner landmarks are (Poisson discs).

    Parameters
    ----------
    vertices : (V, 3) mm
    landmarks : (68, 3) mm
    candidates : (N,) indices
    scale : factor of the spacing
    """
    inner = cKDTree(landmarks[INTERNAL])
    spacing = np.minimum(_SPACING_MM + _GROWTH * inner.query(vertices)[0], _WIDEST_MM) * scale
    tree = cKDTree(vertices)
    free = np.ones(len(vertices), dtype=bool)
    chosen = []
    for point in np.random.default_rng(0).permutation(candidates):
        if free[point]:
            chosen.append(point)
            free[tree.query_ball_point(vertices[point], spacing[point])] = False
    return np.array(chosen)


def make_prior(vertices, landmarks, shown, green, affine):
    """The Prior of a template.

    Parameters
    ----------
    vertices : (V, 3) mm, symmetric about x = 0 or nearly so
    landmarks : (68, 3) mm
    shown : (V,) bool, vertices that points may stand on
    green : (indices (K,)) -> (V, K), the covariance with each vertex
    affine : (V, 4), the functions that the covariance leaves free
    """
    vertices = np.asarray(vertices, dtype=float)
    near = np.linalg.norm(vertices - landmarks[NOSE_TIP], axis=1) < _REACH_MM
    points, mirror, symmetric = _mirrored(vertices, landmarks, np.flatnonzero(near & shown))
    columns = green(points).astype(np.float64)
    square = columns[points]
    square = (square + square.T) / 2
    swap = np.eye(len(points))[mirror]
    found = []
    for parity in (1, -1):
        project = (np.eye(len(points)) + parity * swap) / 2
        values, vectors = eigh(project @ square @ project)
        kept = values > 1e-6 * values[-1]
        found += [(value, parity, vectors[:, k]) for k, value in enumerate(values) if kept[k]]
    found.sort(key=lambda mode: -mode[0] * _share(mode[1], symmetric)[1])
    found = found[:_MODES]
    weights = np.stack([vector / np.sqrt(value) for value, _, vector in found], axis=1)
    variance = np.stack([_share(parity, symmetric) for _, parity, _ in found], axis=1)
    modes = np.concatenate([columns @ weights, affine], axis=1).astype(np.float32)
    return Prior(modes, np.concatenate([1.0 / variance, np.full((3, 4), 1e-9)], axis=1))


def _share(parity, symmetric):
    """Variance (3,) of a mode's x, y, z; in a mirror x turns its sign."""
    even, odd = 2 * symmetric, 2 * (1 - symmetric)
    return np.array([odd, even, even] if parity > 0 else [even, odd, odd])


def _mirrored(vertices, landmarks, candidates):
    """Points, each one's mirror image among them, and the share of symmetric variance."""
    tree = cKDTree(vertices)
    distance, image = tree.query(vertices * [-1, 1, 1])
    if np.median(distance[candidates]) > _ASYMMETRIC_MM:
        points = scatter(vertices, landmarks, candidates)
        return points, np.arange(len(points)), 0.5
    x = vertices[candidates, 0]
    middle = candidates[np.abs(x) < _MIDDLE_MM]
    middle = scatter(vertices, landmarks, middle)
    taken = cKDTree(vertices[middle]).query(vertices)[0] < _SPACING_MM
    side = scatter(vertices, landmarks, candidates[(x >= _MIDDLE_MM) & ~taken[candidates]])
    points = np.concatenate([middle, side, image[side]])
    m, n = len(middle), len(side)
    mirror = np.concatenate([np.arange(m), np.arange(m + n, m + 2 * n), np.arange(m, m + n)])
    return points, mirror, _SYMMETRIC
