"""From blendshape weights to valence and arousal: CCA, then RBF regression, all leak-free."""

from dataclasses import dataclass

import numpy as np

from affect4d.formats.quarantine import BadInput
from affect4d.validation.cca import LinearCCA
from affect4d.validation.metrics import bootstrap, ccc, mse
from affect4d.validation.search import search
from affect4d.validation.svr import KernelSVR

AXES = "valence", "arousal"
LABELS = "affectspace/frames.parquet"


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
    """CCA to two variates, then one support vector machine an axis (paper, section 4.1).

    Everything is fitted on the frames given to `fit`: the projections, and the kernel's width, cost
    and tube, which GroupKFold over subjects chooses an axis.

    Parameters
    ----------
    settings : config.validation.Settings

    Attributes
    ----------
    parameters_ : list of Parameters, one an axis
    variates_ : LinearCCA
    machines_ : list of KernelSVR, one an axis
    """

    def __init__(self, settings):
        self.settings = settings

    def fit(self, frames):
        """Choose the parameters and fit both machines on all of `frames`.

        Raises
        ------
        BadInput
            There are no more frames than components, a weight or label is not finite, or an axis
            is constant.
        """
        _check(frames, "training")
        if len(frames) <= frames.features.shape[1]:
            raise BadInput(
                LABELS,
                f"{len(frames)} training frames do not outnumber {frames.features.shape[1]} "
                "components",
                "annotate more frames, or ask for fewer components",
            )
        self.parameters_ = search(frames, self.settings)
        self.variates_ = LinearCCA(min(2, frames.features.shape[1])).fit(
            frames.features, frames.labels
        )
        X = self.variates_.transform(frames.features)
        self.machines_ = [
            KernelSVR(self.settings.regressor, C=cost, epsilon=epsilon, gamma=gamma).fit(X, labels)
            for (gamma, cost, epsilon), labels in zip(
                self.parameters_, frames.labels.T, strict=True
            )
        ]
        return self

    def predict(self, features):
        """Valence and arousal (n, 2)."""
        X = self.variates_.transform(features)
        return np.stack([machine.predict(X) for machine in self.machines_], axis=1)


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
        A subject is in both sets.
    BadInput
        A set is empty, has a weight or label that is not finite, or a constant axis; or there are
        no more training frames than components.
    """
    shared = set(train.subjects) & set(test.subjects)
    if shared:
        raise ValueError(f"subjects in both sets of the split: {sorted(shared)[:3]}")
    _check(test, "test")
    predicted = Regression(settings).fit(train).predict(test.features)
    row = {}
    for column, axis in enumerate(AXES):
        y, p = test.labels[:, column], predicted[:, column]
        intervals = bootstrap(y, p, test.subjects, settings.bootstrap, rng)
        for name, measure in (("ccc", ccc), ("mse", mse)):
            row[f"{name}_{axis}"] = measure(y, p)
            row[f"{name}_{axis}_low"], row[f"{name}_{axis}_high"] = intervals[name]
    return row


def _check(frames, name):
    if not len(frames):
        raise BadInput(LABELS, f"the {name} set is empty", "annotate frames of more subjects")
    for what, values in (("weights", frames.features), ("labels", frames.labels)):
        broken = np.flatnonzero(~np.isfinite(values).all(1))
        if len(broken):
            raise BadInput(
                LABELS,
                f"{len(broken)} {name} frames have {what} that are not finite, the first of "
                f"subject {frames.subjects[broken[0]]}",
                "leave these frames out",
            )
    for axis, labels in zip(AXES, frames.labels.T, strict=True):
        if np.ptp(labels) == 0:
            raise BadInput(LABELS, f"{axis} is constant over the {name} set", "annotate more")
