"""Noise in time."""

import numpy as np


def smooth_noise(rng, length, correlation, channels=1):
    """Gaussian noise (length, channels) of unit variance, correlated over `correlation` steps."""
    rho = np.exp(-1.0 / max(correlation, 1e-6))
    out = np.empty((length, channels))
    out[0] = rng.normal(size=channels)
    for t in range(1, length):
        out[t] = rho * out[t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=channels)
    return out
