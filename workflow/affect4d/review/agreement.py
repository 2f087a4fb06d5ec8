"""How far reviewers agree beyond chance: Cohen's and Fleiss' kappa."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.metrics import cohen_kappa_score

from affect4d.neutrals.decisions import ACCEPT, REJECT


class Agreement(NamedTuple):
    """Cohen's kappa of two reviewers, or Fleiss' of more, over the images that all of them decided.

    `kappa` is None where it is not defined: no such image, or the same decision on all of them.
    """

    reviewers: tuple[str, ...]
    images: int
    kappa: float | None


def measure_agreement(verdicts: Mapping[str, Mapping[str, str]]) -> list[Agreement]:
    """The agreement of every two reviewers, and of all where there are more.

    Parameters
    ----------
    verdicts : image_id -> reviewer -> accept or reject
    """
    names = sorted({name for said in verdicts.values() for name in said})
    groups: list[tuple[str, ...]] = list(combinations(names, 2))
    if len(names) > len(("one", "other")):
        groups.append(tuple(names))
    return [_agreement(group, verdicts) for group in groups]


def _agreement(names: tuple[str, ...], verdicts: Mapping[str, Mapping[str, str]]) -> Agreement:
    both = [[said[n] for n in names] for said in verdicts.values() if all(n in said for n in names)]
    if len({value for row in both for value in row}) < len((ACCEPT, REJECT)):
        return Agreement(names, len(both), None)
    if len(names) == len(("one", "other")):
        kappa = cohen_kappa_score(*zip(*both, strict=True))
    else:
        kappa = fleiss_kappa([[row.count(ACCEPT), row.count(REJECT)] for row in both])
    return Agreement(names, len(both), float(kappa))


def fleiss_kappa(counts: Sequence[Sequence[int]]) -> float:
    """Fleiss' kappa (Psychological Bulletin 76, 1971, equations 1 to 7).

    Parameters
    ----------
    counts : (images, categories), how many raters chose a category; equally many for every image
    """
    table = np.asarray(counts, dtype=np.float64)
    raters = table[0].sum()
    observed = ((table**2).sum(1) - raters).mean() / (raters * (raters - 1))
    expected = ((table.sum(0) / table.sum()) ** 2).sum()
    return float((observed - expected) / (1 - expected))
