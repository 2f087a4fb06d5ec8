"""Random generators that derive from names, so that no order of work can change a single number."""

import hashlib

import numpy as np


def named_rng(seed: int, *names: object) -> np.random.Generator:
    """A generator for `names` under the build's `seed`."""
    text = "\0".join(map(str, names))
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng([int(seed), *map(int, words)])
