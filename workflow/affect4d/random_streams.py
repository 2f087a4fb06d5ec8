"""Random generators seeded by names, so that no order of work can change a single number."""

import hashlib
from collections.abc import Iterable

import numpy as np


def named_rng(seed: int, *names: object) -> np.random.Generator:
    """A generator for `names` under the build's `seed`."""
    text = "\0".join(map(str, names))
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng([int(seed), *map(int, words)])


def choose_names(names: Iterable[str], count: int) -> list[str]:
    """At most `count` of the names, by their digests: who joins them seldom changes the choice."""
    return sorted(sorted(set(names), key=_digest)[:count])


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
