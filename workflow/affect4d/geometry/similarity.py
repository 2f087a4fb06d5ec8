"""Similarity transforms and their least-squares estimate (Umeyama, PAMI 1991)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation, for points (..., 3)."""

    scale: float
    rotation: np.ndarray
    translation: np.ndarray

    def apply(self, points):
        """Transform points (..., 3)."""
        return self.scale * (np.asarray(points) @ self.rotation.T) + self.translation


def fit_similarity(source, target, weights=None, scale=True):
    """The similarity (or rigid motion) that carries source onto target in least squares.

    Parameters
    ----------
    source, target : (N, 3) arrays
    weights : (N,) array, optional
    scale : bool
        False keeps the scale at 1.

    Raises
    ------
    ValueError
        Fewer than three points, or points that do not span a plane.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    if len(source) < 3 or source.shape != target.shape:
        raise ValueError(f"need two sets of at least 3 points, got {source.shape}, {target.shape}")
    w = np.full(len(source), 1.0) if weights is None else np.asarray(weights, float)
    w = w / w.sum()
    mean_s, mean_t = w @ source, w @ target
    s, t = source - mean_s, target - mean_t
    u, singular, vt = np.linalg.svd((t * w[:, None]).T @ s)
    if singular[1] <= 1e-12 * max(singular[0], 1e-300):
        raise ValueError("the points do not span a plane")
    sign = np.ones(3)
    sign[2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign) @ vt
    factor = float(singular @ sign / (w @ (s**2).sum(1))) if scale else 1.0
    return Similarity(factor, rotation, mean_t - factor * rotation @ mean_s)
