"""Finite features whose products approximate an RBF kernel (Nystroem: Williams & Seeger 2001).

The landmarks are pivots of a Cholesky decomposition (Fine & Scheinberg 2001): each is the row
which those before it explain least, so that few of them reach into the tails of the data, where a
random choice leaves gaps.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.metrics.pairwise import rbf_kernel

BLOCK = 8192
CANDIDATES = 5000
EXPLAINED = 1e-6


class KernelMap:
    """Features from an RBF kernel's values at landmarks.

    Parameters
    ----------
    landmarks : (m, p) array, as `draw_landmarks` gives them
    gamma : float
        exp(-gamma |x - x'|^2).

    Attributes
    ----------
    whitener_ : (m, m) array
        Turns values of the kernel into features.
    """

    def __init__(self, landmarks, gamma):
        self.landmarks, self.gamma = landmarks, gamma
        factor = cholesky(self._kernel(landmarks), lower=True)
        self.whitener_ = solve_triangular(factor, np.eye(len(landmarks)), lower=True).T

    def features(self, X):
        """Features (n, m + 1) float32 of X (n, p); the last column is one, the bias."""
        Z = np.ones((len(X), len(self.landmarks) + 1), np.float32)
        for start in range(0, len(X), BLOCK):
            rows = slice(start, start + BLOCK)
            # The whitener's large entries cancel: only the sums fit single precision.
            Z[rows, :-1] = self._kernel(X[rows]) @ self.whitener_
        return Z

    def predict(self, X, weights):
        """Values (n, targets) at X of functions with weights (m + 1, targets)."""
        collapsed = self.whitener_ @ weights[:-1]
        blocks = (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))
        return np.concatenate([self._kernel(block) @ collapsed for block in blocks]) + weights[-1]

    def _kernel(self, X):
        return rbf_kernel(X, self.landmarks, gamma=self.gamma)


def draw_landmarks(X, gamma, count, seed):
    """Rows of X, at most `count`, fewer where they explain the kernel on all candidates.

    Parameters
    ----------
    X : (n, p) array
        5000 of its rows, drawn without replacement, are the candidates.
    gamma : float
    count, seed : int
    """
    drawn = np.random.default_rng(seed).choice(len(X), min(CANDIDATES, len(X)), replace=False)
    candidates, count = X[drawn], min(count, len(drawn))
    unexplained = np.ones(len(candidates))
    factor = np.zeros((len(candidates), count))
    pivots: list[int] = []
    while len(pivots) < count and unexplained.max() > EXPLAINED:
        pivot, rank = int(unexplained.argmax()), len(pivots)
        column = rbf_kernel(candidates, candidates[pivot : pivot + 1], gamma=gamma)[:, 0]
        column -= factor[:, :rank] @ factor[pivot, :rank]
        factor[:, rank] = column / np.sqrt(unexplained[pivot])
        unexplained -= factor[:, rank] ** 2
        pivots.append(pivot)
    return candidates[pivots]
