"""People who annotate a known curve, late, and with a scale and a tremor of their own."""

import numpy as np

from affect4d.annotation.tracks import Track

FPS = 25.0
SECONDS = 40
DELAYS = {"anna": 0.35, "ben": 0.62, "chloe": 0.2, "dev": 0.9, "eve": 0.5}
GAINS = {"anna": 0.8, "ben": 1.15, "chloe": 1.0, "dev": 0.9, "eve": 1.1}


def curve(time, number=0):
    """A smooth path through the plane (T, 2), as emotions come and go; another per number."""
    rng = np.random.default_rng(number)
    rates, phases = rng.uniform(0.03, 0.25, (2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    waves = np.sin(2 * np.pi * rates[:, None] * time[:, None] + phases[:, None])
    return 0.9 * waves.mean(2).T


def person(name, number=0, asleep=False):
    """Whoever follows the curve late, with a scale and a tremor of their own."""
    rng = np.random.default_rng([number, *name.encode()])
    time = np.sort(rng.uniform(0, SECONDS, 40 * SECONDS))  # no screen is regular
    values = GAINS[name] * curve(time - DELAYS[name], number) + rng.normal(0, 0.03, (len(time), 2))
    if asleep:
        values = 0.1 + np.cumsum(rng.normal(0, 0.004, (len(time), 2)), axis=0)
    return Track(time, np.clip(values, -1, 1))


def target():
    """Steps of the calibration."""
    time = np.arange(0, 30, 1 / FPS)
    steps = np.random.default_rng(9).uniform(-0.9, 0.9, (12, 2))
    return Track(time, steps[(time // 2.5).astype(int)])


def follow(steps, delay):
    return Track(steps.time, steps.at(np.maximum(steps.time - delay, 0)))
