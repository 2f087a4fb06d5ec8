"""How a class's weights are distributed: a Gaussian copula over their margins.

Each component's weights keep their empirical quantile function, linear between the order
statistics, so that draws stay in the constraint's box without being clipped, with its zeros as
frequent as among the frames. What ties the components together is the correlation of the normal
scores, shrunk as by Ledoit and Wolf (Journal of Multivariate Analysis 88, 2004), but with people in
the place of observations, since a person's frames are alike: coincidences among few people are not
taken for correlations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

KIND = "gaussian copula"
LEVELS = 101  # of the stored quantile functions: percentiles


@dataclass(frozen=True)
class WeightDistribution:
    """Joint distribution of the weights of K components.

    Attributes
    ----------
    quantiles : (Q, K)
        Quantile function of each weight at Q equally spaced levels from 0 to 1, linear in between.
    correlation : (K, K)
        Of the normal scores; unit diagonal.
    """

    quantiles: NDArray[np.float64]
    correlation: NDArray[np.float64]

    @classmethod
    def fit(cls, weights: ArrayLike, subjects: ArrayLike) -> "WeightDistribution":
        """The distribution of weights.

        Parameters
        ----------
        weights : (m, K), m at least 1
        subjects : (m,), the person of each frame
        """
        from scipy.stats import rankdata  # slow to load, and those who draw do not need it

        weights = np.asarray(weights, dtype=np.float64)
        count, components = weights.shape
        if not components:
            return cls(np.empty((LEVELS, 0)), np.empty((0, 0)))
        quantiles = np.quantile(weights, np.linspace(0, 1, LEVELS), axis=0)
        if (weights == weights[0]).all():
            return cls(quantiles, np.eye(components))
        scores = ndtri((rankdata(weights, axis=0) - 0.5) / count)
        scores -= scores.mean(0)  # ties shift it
        deviation = scores.std(0)
        correlation = shrunk_covariance(scores / np.where(deviation > 0, deviation, 1), subjects)
        # A weight that is the same in all frames is correlated with none: rounding error goes.
        np.fill_diagonal(correlation, 1)
        return cls(quantiles, correlation)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Expected weights (K,): the integrals of the quantile functions."""
        step = 1 / (len(self.quantiles) - 1)
        return np.asarray(np.trapezoid(self.quantiles, dx=step, axis=0))

    def at(self, level: float) -> NDArray[np.float64]:
        """The weights (K,) that this share of the frames, 0 to 1, does not exceed."""
        return np.asarray(np.quantile(self.quantiles, level, axis=0))

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw weights (count, K)."""
        if not len(self.correlation):
            return np.empty((count, 0))
        values, vectors = np.linalg.eigh(self.correlation)
        # The symmetric root is unique, where a factor's signs would depend on the library.
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        levels = ndtr(rng.standard_normal((count, len(root))) @ root)
        grid = np.linspace(0, 1, len(self.quantiles))
        columns = zip(levels.T, self.quantiles.T, strict=True)
        drawn = np.stack([np.interp(level, grid, column) for level, column in columns], axis=1)
        # the interpolation may be a rounding error beyond
        clipped: NDArray[np.float64] = np.clip(drawn, self.quantiles[0], self.quantiles[-1])
        return clipped


def shrunk_covariance(scores: NDArray[np.float64], subjects: ArrayLike) -> NDArray[np.float64]:
    """Covariance of centred scores, shrunk towards the identity by what people differ in it.

    Ledoit and Wolf's estimate of the error, the scatter of each observation's outer product about
    the mean one, is taken over the sums of each person's. With one frame per person it is theirs.

    Parameters
    ----------
    scores : (m, K)
    subjects : (m,)

    Returns
    -------
    (K, K)
    """
    count, components = scores.shape
    _, person, frames = np.unique(subjects, return_inverse=True, return_counts=True)
    covariance = scores.T @ scores / count
    target = np.trace(covariance) / components * np.eye(components)
    error = 0.0
    for number, person_frames in enumerate(frames):
        person_scores = scores[person == number]
        outer = person_scores.T @ person_scores
        error += ((outer - person_frames * covariance) ** 2).sum()
    distance = ((covariance - target) ** 2).sum()
    share = min(error / (count**2 * distance), 1) if distance > 0 else 0
    return np.asarray((1 - share) * covariance + share * target)
