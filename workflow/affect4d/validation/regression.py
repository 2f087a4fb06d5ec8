"""From blendshape weights to valence and arousal: scaler, CCA, RBF regression, all leak-free."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affect4d.validation.cca import LinearCCA
from affect4d.validation.metrics import bootstrap, ccc, mse
from affect4d.validation.svr import KernelSVR

AXES = "valence", "arousal"


@dataclass(frozen=True)
class Frames:
    """Frames as the regression sees them.

    Attributes
    ----------
    features : (n, K) blendshape weights
    labels : (n, 2) valence and arousal
    subjects : (n,) names
    """

    features: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray

    def __getitem__(self, chosen):
        return Frames(self.features[chosen], self.labels[chosen], self.subjects[chosen])

    def __len__(self):
        return len(self.labels)


class Regression:
    """CCA to two variates, then one support vector machine an axis.

    Everything is fitted on the frames given to `fit`: the scaler, the projections, and the kernel
    width, cost and tube, which GroupKFold over subjects chooses an axis by the mean CCC.

    Parameters
    ----------
    settings : config.validation.Settings
    rng : numpy.random.Generator
        Chooses the frames the search runs on.
    """

    def __init__(self, settings, rng):
        self.settings, self.rng = settings, rng

    def fit(self, frames):
        """Choose the parameters and fit both machines on all of `frames`."""
        parameters = self._search(frames)
        self.variates_ = _variates(frames)
        X = self.variates_.transform(frames.features)
        self.machines_ = [
            self._machine(parameters[axis]).fit(X, frames.labels[:, axis])
            for axis in range(len(AXES))
        ]
        return self

    def predict(self, features):
        """Valence and arousal (n, 2)."""
        X = self.variates_.transform(features)
        return np.stack([machine.predict(X) for machine in self.machines_], axis=1)

    def _machine(self, parameters):
        gamma, cost, epsilon = parameters
        return KernelSVR(self.settings.regressor, C=cost, epsilon=epsilon, gamma=gamma)

    def _search(self, frames):
        """The best (gamma, C, epsilon) of each axis."""
        grid = list(product(self.settings.gammas, self.settings.costs, self.settings.epsilons))
        folds = min(self.settings.folds, len(np.unique(frames.subjects)))
        if len(grid) == 1 or folds < 2:
            return [grid[0]] * len(AXES)
        if len(frames) > self.settings.search_frames:
            frames = frames[
                np.sort(self.rng.choice(len(frames), self.settings.search_frames, replace=False))
            ]
        score = np.zeros((len(AXES), len(grid)))
        for train, held in GroupKFold(folds).split(frames.features, groups=frames.subjects):
            variates = _variates(frames[train])
            X, X_held = (variates.transform(frames.features[part]) for part in (train, held))
            for column, parameters in enumerate(grid):
                for axis in range(len(AXES)):
                    machine = self._machine(parameters).fit(X, frames.labels[train, axis])
                    found = ccc(frames.labels[held, axis], machine.predict(X_held))
                    score[axis, column] += np.nan_to_num(found)
        return [grid[best] for best in score.argmax(1)]


def _variates(frames):
    return make_pipeline(StandardScaler(), LinearCCA(2)).fit(frames.features, frames.labels)


def evaluate(train, test, settings, rng):
    """CCC and MSE on test subjects, with bootstrap intervals over them.

    Parameters
    ----------
    train, test : Frames
        No subject in both.
    settings : config.validation.Settings
    rng : numpy.random.Generator

    Returns
    -------
    dict
        ccc_valence, ..., mse_arousal, and each with _low and _high.

    Raises
    ------
    ValueError
        A subject is in both parts.
    """
    shared = set(train.subjects) & set(test.subjects)
    if shared:
        raise ValueError(f"subjects in both parts of the split: {sorted(shared)[:3]}")
    predicted = Regression(settings, rng).fit(train).predict(test.features)
    row = {}
    for column, axis in enumerate(AXES):
        y, p = test.labels[:, column], predicted[:, column]
        intervals = bootstrap(y, p, test.subjects, settings.bootstrap, rng)
        for name, measure in (("ccc", ccc), ("mse", mse)):
            row[f"{name}_{axis}"] = measure(y, p)
            row[f"{name}_{axis}_low"], row[f"{name}_{axis}_high"] = intervals[name]
    return row
