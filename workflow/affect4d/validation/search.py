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


def search(frames, settings):
    """The parameters of each axis with the best CCC of out-of-fold predictions.

    Parameters
    ----------
    frames : Frames
        Of training subjects only.
    settings : config.validation.Settings
        Candidates, folds, and frames at most.

    Returns
    -------
    list of Parameters, one an axis; the first candidates where there is nothing to choose, or one
    subject only
    """
    grid = [
        Parameters(*candidate)
        for candidate in product(settings.gammas, settings.costs, settings.epsilons)
    ]
    axes = frames.labels.shape[1]
    folds = min(settings.folds, len(pd.unique(frames.subjects)))
    if len(grid) == 1 or folds < 2:
        return [grid[0]] * axes
    sample = frames[spread(frames.subjects, settings.search_frames)]
    # A cost weighs the sum over frames against the norm: as in the fit to all of them.
    inflation = len(frames) / len(sample)
    predicted = np.empty((len(grid), axes, len(sample)))
    for train, held in GroupKFold(folds).split(sample.features, groups=sample.subjects):
        predicted[:, :, held] = _predictions(sample[train], sample[held], grid, inflation)
    return [
        grid[np.argmax([ccc(labels, candidate[axis]) for candidate in predicted])]
        for axis, labels in enumerate(sample.labels.T)
    ]


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
