"""Width of the kernel, C and epsilon by cross-validation over the training subjects.

Frames of one subject are much alike: the search runs on a sample spread over all subjects and
their time. It minimises the primal, which differs from the exact solver by less than the choice
does, and computes a kernel's features once for all C and epsilon.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from affect4d.config.validation import Settings
from affect4d.validation.cca import LinearCCA
from affect4d.validation.frames import Frames
from affect4d.validation.metrics import ccc
from affect4d.validation.primal import minimise
from affect4d.validation.svr import fit_kernel, kernel_features, predict_from_kernel

N_COMPONENTS = 150  # of the kernel; the fit has 200, and chooses alike: of 100 some choice differs
SEED = 0  # any: the choice is to be the same in every build


class Parameters(NamedTuple):
    """What a support vector machine with an RBF kernel leaves to choose."""

    gamma: float
    C: float
    epsilon: float


class Choice(NamedTuple):
    """Parameters, and the CCC of the out-of-fold predictions they were chosen by."""

    parameters: Parameters
    ccc: float


def search_parameters(sample: Frames, inflation: float, settings: Settings) -> list[Choice]:
    """The parameters of each axis with the best CCC of out-of-fold predictions.

    Parameters
    ----------
    sample : of training subjects only, their features in memory
    inflation : training frames for each of the sample
        C weighs the sum over frames against the norm: it counts here as in the fit to all of them.
    settings : candidates and folds

    Returns
    -------
    One per axis; of one subject the first candidates, their CCC NaN.
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
        predicted[:, :, held] = _predictions(sample[train], sample[held], grid, inflation=inflation)
    choices = []
    for axis, labels in enumerate(sample.labels.T):
        scores = [ccc(labels, candidate[axis]) for candidate in predicted]
        best = int(np.argmax(scores))
        choices.append(Choice(grid[best], scores[best]))
    return choices


def sample_evenly(subjects: NDArray[np.str_], count: int) -> NDArray[np.int64]:
    """Rows of at most `count` frames: as many of each subject, evenly spaced; at least one each."""
    codes, names = pd.factorize(subjects)
    share = max(count // len(names), 1)
    by_subject = np.split(np.argsort(codes, kind="stable"), np.bincount(codes).cumsum()[:-1])
    chosen = [
        rows[np.arange(min(share, len(rows))) * len(rows) // min(share, len(rows))]
        for rows in by_subject
    ]
    return np.sort(np.concatenate(chosen))


def _predictions(
    train: Frames, held: Frames, grid: list[Parameters], *, inflation: float
) -> NDArray[np.float64]:
    """Predictions (candidates, axes, n) for the frames held, by machines fitted to the others."""
    variates = LinearCCA(min(2, train.features.shape[1])).fit(train.features, train.labels)
    X, X_held = variates.transform(train.features), variates.transform(held.features)
    kernels = {
        gamma: fit_kernel(X, gamma, N_COMPONENTS, seed=SEED)
        for gamma in {candidate.gamma for candidate in grid}
    }
    features = {gamma: kernel_features(kernel, X) for gamma, kernel in kernels.items()}
    predicted = []
    for gamma, C, epsilon in grid:
        weights = [
            minimise(features[gamma], labels, C=C * inflation, epsilon=epsilon)
            for labels in train.labels.T
        ]
        predicted.append(predict_from_kernel(kernels[gamma], X_held, np.stack(weights, axis=1)).T)
    return np.stack(predicted)
