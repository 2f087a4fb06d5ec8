"""Generalised Procrustes alignment (Gower, Psychometrika 1975)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.similarity import fit_similarity

ROUNDS = 4  # enough on faces


def align_faces(
    faces: Sequence[NDArray[np.floating[Any]]],
    target: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Faces brought onto their mean by similarities, which lies as the target does.

    Parameters
    ----------
    faces : each (V, 3) mm
    target : (V, 3) mm, where to start
    weights : (V,) of the vertices in the similarities; all equal when absent

    Returns
    -------
    aligned (N, V, 3) mm, mean (V, 3) mm
    """
    aligned = np.array(faces)
    mean = target.astype(np.float64)
    for _ in range(ROUNDS):
        aligned = np.array([fit_similarity(face, mean, weights).apply(face) for face in aligned])
        average = aligned.mean(0)
        mean = fit_similarity(average, target, weights, scale=False).apply(average)
    return aligned, mean
