"""The subject-independent split (rules 6 and 7)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.affectspace import Grid
from affect4d.random_streams import named_rng

TRAIN, TEST = "train", "test"
CANDIDATES = 4000  # random splits that are compared: more change the split taken by little
SHORTLIST = 400  # of them, those that hold out most nearly the share of the frames: one in ten
GRID = Grid()


def split_subjects(frames: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Hold out a share of the subjects whose frames spread over the V-A plane as all do.

    Of `CANDIDATES` draws of subjects the `SHORTLIST` are kept that hold out most nearly the share
    of the frames, and of these that one is taken whose histogram over ten by ten classes is nearest
    to the expected one by the chi-square distance.

    Parameters
    ----------
    frames : subject, valence, arousal; the order of the rows does not matter
    share : share held out, at least one subject and at most all but one
    seed : the build's seed

    Returns
    -------
    DataFrame
        subject (sorted), set ("train" or "test").

    Raises
    ------
    ValueError
        There are fewer than two subjects, or a label lies outside [-1, 1].
    """
    names, histograms = _histograms(frames)
    if len(names) < 2:
        raise ValueError(f"a split by subject needs two subjects, not {len(names)}")
    held = min(max(round(share * len(names)), 1), len(names) - 1)
    order = named_rng(seed, "validation", "split").random((CANDIDATES, len(names))).argsort(1)
    draws = np.zeros((CANDIDATES, len(names)), dtype=bool)
    np.put_along_axis(draws, order[:, :held], True, axis=1)
    excess = np.abs(draws @ histograms.sum(1) - share * histograms.sum())
    draws = draws[excess.argsort(kind="stable")[:SHORTLIST]]
    test = draws[chi_square(draws @ histograms, histograms.sum(0), share).argmin()]
    return pd.DataFrame({"subject": names, "set": np.where(test, TEST, TRAIN)})


def chi_square(
    counts: NDArray[np.float64], total: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Distances (draws,) of histograms (draws, cells) from a share of the total one (cells,)."""
    filled = total > 0
    expected = share * total[filled]
    distance: NDArray[np.float64] = ((counts[:, filled] - expected) ** 2 / expected).sum(1)
    return distance


def _histograms(frames: pd.DataFrame) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Sorted names of the subjects, and each one's frames by class (subjects, cells)."""
    cell = GRID.assign(frames["valence"], frames["arousal"])
    if (cell < 0).any():
        raise ValueError(f"{(cell < 0).sum()} labels lie outside [-1, 1] or are missing")
    names, subject = np.unique(frames["subject"].to_numpy(dtype=str), return_inverse=True)
    counts = np.bincount(subject * len(GRID) + cell, minlength=len(names) * len(GRID))
    return names, counts.reshape(len(names), -1).astype(np.float64)
