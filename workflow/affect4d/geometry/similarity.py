"""Similarity transforms and their least-squares estimate (Umeyama, PAMI 1991)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Second singular value over the first, below which points lie on a line (float64 holds 1e-16).
_MIN_SPAN = 1e-12
_TINY = 1e-300  # keeps the comparison defined for points that coincide


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation, for points (..., 3).

    Attributes
    ----------
    scale : target units per source unit
    rotation : (3, 3)
    translation : (3,), target units
    """

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def apply(self, points: ArrayLike) -> NDArray[np.float64]:
        """Transform points (..., 3)."""
        return self.scale * (np.asarray(points) @ self.rotation.T) + self.translation


def fit_similarity(
    source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None, *, scale: bool = True
) -> Similarity:
    """The similarity (or rigid motion) that carries source onto target in least squares.

    Parameters
    ----------
    source, target : (N, 3)
    weights : (N,), all equal when absent
    scale : False keeps the scale at 1

    Raises
    ------
    ValueError
        Fewer than three points, or points that do not span a plane.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    if len(source) < 3 or source.shape != target.shape:
        raise ValueError(f"need two sets of at least 3 points, got {source.shape}, {target.shape}")
    w = np.full(len(source), 1.0) if weights is None else np.asarray(weights, float)
    factors, rotations, translations = fit_similarities(source[None], target, w[None], scale=scale)
    return Similarity(float(factors[0]), rotations[0], translations[0])


def fit_similarities(
    sources: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]],
    *,
    scale: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The same for B sets of points at once.

    Parameters
    ----------
    sources : (B, N, 3)
    target : (N, 3)
    weights : (B, N)
    scale : False keeps the scale at 1

    Returns
    -------
    scale (B,), rotation (B, 3, 3), translation (B, 3)

    Raises
    ------
    ValueError
        The points of a set do not span a plane.
    """
    w = (weights / weights.sum(1, keepdims=True))[:, :, None]
    mean_s, mean_t = (w * sources).sum(1), (w * target).sum(1)
    s, t = sources - mean_s[:, None], target - mean_t[:, None]
    u, singular, vt = np.linalg.svd((t * w).transpose(0, 2, 1) @ s)
    if not (singular[:, 1] > _MIN_SPAN * np.maximum(singular[:, 0], _TINY)).all():
        raise ValueError("the points do not span a plane")
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    factor = np.ones(len(sources))
    if scale:
        factor = (singular * sign).sum(1) / (w * s**2).sum((1, 2))
    moved = (rotation @ mean_s[:, :, None])[:, :, 0]
    return factor, rotation, mean_t - factor[:, None] * moved
