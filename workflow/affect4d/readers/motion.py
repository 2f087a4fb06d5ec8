"""Whether landmarks moved as they were asked to."""

import numpy as np
from numpy.typing import NDArray

from affect4d.template.ibug68 import BROWS, MOUTH

# Eye corners, brows, lips, chin: what a detector finds in two pictures of one face again. Lids are
# too small, the jaw slides along the outline, and the nose hardly moves.
COMPARED = np.array([36, 39, 42, 45, *BROWS, *MOUTH, 8])


def agreement(
    found: NDArray[np.floating], asked: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation (N,) and ratio of lengths (N,), found to asked, at the landmarks COMPARED.

    Parameters
    ----------
    found, asked : (N, 68, 2) displacements, of one unit

    Returns
    -------
    NaN where nothing was asked or found.
    """
    ours, theirs = (each[:, COMPARED].reshape(len(each), -1) for each in (found, asked))
    centred = [each - each.mean(axis=1, keepdims=True) for each in (ours, theirs)]
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = [np.linalg.norm(each, axis=1) for each in centred]
        correlation = np.sum(centred[0] * centred[1], axis=1) / (lengths[0] * lengths[1])
        ratio = np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return correlation, np.where(np.isfinite(ratio), ratio, np.nan)
