"""Noise in time."""

import numpy as np
from numpy.typing import NDArray


def smooth_noise(
    rng: np.random.Generator, length: int, correlation: float, *, channels: int
) -> NDArray[np.float64]:
    """Gaussian noise (length, channels) of unit variance, correlated over `correlation` steps.

    A first-order autoregressive process.
    """
    rho = np.exp(-1.0 / correlation)
    noise = np.empty((length, channels))
    noise[0] = rng.normal(size=channels)
    for t in range(1, length):
        noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=channels)
    return noise
