"""Kernel width, cost and tube by cross-validation over the training subjects.

Frames of one subject are much alike: the search runs on a sample spread over all subjects and
their time. It minimises the primal, which differs from the exact solver by less than the choice
does, and computes a kernel's features once for all costs and tubes.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from affect4d.validation.cca import LinearCCA
from affect4d.validation.metrics import ccc
from affect4d.validation.nystroem import KernelMap, draw_landmarks
from affect4d.validation.primal import minimise

LANDMARKS = 100
SEED = 0


class Parameters(NamedTuple):
    """What a support vector machine with an RBF kernel leaves to choose."""

    gamma: float
    cost: float
    epsilon: float


class Choice(NamedTuple):
    """Parameters, and the CCC of the out-of-fold predictions they were chosen by."""

    parameters: Parameters
    ccc: float


def search(sample, inflation, settings):
    """The parameters of each axis with the best CCC of out-of-fold predictions.

    Parameters
    ----------
    sample : Frames
        Of training subjects only, their features in memory.
    inflation : float
        Training frames for each of the sample. A cost weighs the sum over frames against the norm:
        it counts here as in the fit to all of them.
    settings : config.validation.Settings
        Candidates and folds.

    Returns
    -------
    list of Choice, one an axis; of one subject the first candidates, their CCC NaN
    """
    grid = [
        Parameters(*candidate)
        for candidate in product(settings.gammas, settings.costs, settings.epsilons)
    ]
    axes = sample.labels.shape[1]
    folds = min(settings.folds, len(pd.unique(sample.subjects)))
    if folds < 2:
        return [Choice(grid[0], np.nan)] * axes
    predicted = np.empty((len(grid), axes, len(sample)))
    for train, held in GroupKFold(folds).split(sample.features, groups=sample.subjects):
        predicted[:, :, held] = _predictions(sample[train], sample[held], grid, inflation)
    choices = []
    for axis, labels in enumerate(sample.labels.T):
        scores = [ccc(labels, candidate[axis]) for candidate in predicted]
        best = int(np.argmax(scores))
        choices.append(Choice(grid[best], scores[best]))
    return choices


def spread(subjects, count):
    """Rows of at most `count` frames: as many of each subject, evenly spaced; one at least."""
    codes, names = pd.factorize(subjects)
    share = max(count // len(names), 1)
    rows = np.split(np.argsort(codes, kind="stable"), np.bincount(codes).cumsum()[:-1])
    taken = [
        own[np.arange(min(share, len(own))) * len(own) // min(share, len(own))] for own in rows
    ]
    return np.sort(np.concatenate(taken))


def _predictions(train, held, grid, inflation):
    """Predictions (candidates, axes, n) for the frames held, by machines fitted to the others."""
    variates = LinearCCA(min(2, train.features.shape[1])).fit(train.features, train.labels)
    X, X_held = variates.transform(train.features), variates.transform(held.features)
    maps = {
        gamma: KernelMap(draw_landmarks(X, gamma, LANDMARKS, SEED), gamma)
        for gamma in {point.gamma for point in grid}
    }
    features = {gamma: kernel.features(X) for gamma, kernel in maps.items()}
    predicted = []
    for gamma, cost, epsilon in grid:
        weights = [
            minimise(features[gamma], labels, cost * inflation, epsilon)
            for labels in train.labels.T
        ]
        predicted.append(maps[gamma].predict(X_held, np.stack(weights, axis=1)).T)
    return np.stack(predicted)
