"""The subject-independent split, and random streams that derive from names (rules 6 and 7)."""

import hashlib

import numpy as np
import pandas as pd

TRAIN, TEST = "train", "test"


def stream(seed, *names):
    """A random generator that depends on the seed and the names only."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def split_subjects(subjects, share, seed):
    """Hold out a share of the subjects.

    Parameters
    ----------
    subjects : iterable of str
    share : float
        Share held out, at least one subject and at most all but one.
    seed : int

    Returns
    -------
    DataFrame
        subject (sorted), part ("train" or "test").

    Raises
    ------
    ValueError
        There are fewer than two subjects.
    """
    names = sorted(set(subjects))
    if len(names) < 2:
        raise ValueError(f"a split by subject needs two subjects, not {len(names)}")
    held = min(max(round(share * len(names)), 1), len(names) - 1)
    chosen = set(stream(seed, "validation", "split").permutation(names)[:held])
    return pd.DataFrame(
        {"subject": names, "part": [TEST if name in chosen else TRAIN for name in names]}
    )
