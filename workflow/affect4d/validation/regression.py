"""From blendshape weights to valence and arousal: CCA, then RBF regression, all leak-free."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from affect4d.quarantine import BadInput
from affect4d.validation.cca import LinearCCA, joint_moments, merge_tree
from affect4d.validation.metrics import bootstrap, ccc, mse, pearson
from affect4d.validation.moments import Moments
from affect4d.validation.ridge import MomentRidge
from affect4d.validation.search import search, spread
from affect4d.validation.svr import KernelSVR

AXES = "valence", "arousal"
MEASURES = {"ccc": ccc, "mse": mse, "pearson": pearson}
LABELS = "affectspace/frames.parquet"


@dataclass(frozen=True)
class Frames:
    """Frames as the regression sees them.

    Attributes
    ----------
    features : (n, K) Dask array, or array, of blendshape weights
    labels : (n, 2) valence and arousal
    subjects : (n,) names
    """

    features: Any
    labels: np.ndarray
    subjects: np.ndarray

    def __getitem__(self, rows):
        return Frames(self.features[rows], self.labels[rows], self.subjects[rows])

    def __len__(self):
        return len(self.labels)

    def loaded(self):
        """The same with its features in memory."""
        return Frames(np.asarray(self.features), self.labels, self.subjects)


class Regression:
    """CCA to two variates, then one support vector machine an axis (paper, section 4.1).

    Everything is fitted on the frames given to `fit`: the projections, and the kernel's width, cost
    and tube, which GroupKFold over subjects chooses an axis. Of the features only sums, the two
    variates and the search's sample are held in memory.

    Parameters
    ----------
    settings : config.validation.Settings
    choices : list of search.Choice, optional
        One an axis, in place of a search.

    Attributes
    ----------
    choices_ : list of search.Choice, one an axis
    variates_ : LinearCCA
    machines_ : list of KernelSVR, one an axis
    ridge_ : MomentRidge on all components, for comparison
    """

    def __init__(self, settings, choices=None):
        self.settings, self.choices = settings, choices

    def fit(self, frames):
        """Choose the parameters and fit both machines on all of `frames`.

        Raises
        ------
        BadInput
            There are no more frames than components, a weight or label is not finite, or an axis
            is constant.
        """
        check(frames, "training")
        columns = frames.features.shape[1]
        if len(frames) <= columns:
            raise BadInput(
                LABELS,
                f"{len(frames)} training frames do not outnumber {columns} components",
                "annotate more frames, or ask for fewer components",
            )
        folds = fold_moments(frames, self.settings.folds)
        self.variates_ = LinearCCA(min(2, columns)).fit_moments(
            reduce(Moments.merge, folds), columns
        )
        self.ridge_ = MomentRidge().fit(folds, columns)
        self.choices_ = self.choices or self._search(frames)
        X = through(self.variates_.transform, frames.features)
        self.machines_ = [
            KernelSVR(self.settings.regressor, C=cost, epsilon=epsilon, gamma=gamma).fit(X, labels)
            for ((gamma, cost, epsilon), _), labels in zip(
                self.choices_, frames.labels.T, strict=True
            )
        ]
        return self

    def _search(self, frames):
        sample = frames[spread(frames.subjects, self.settings.search_frames)].loaded()
        return search(sample, len(frames) / len(sample), self.settings)

    def predict(self, features):
        """Valence and arousal (n, 2) of features (n, K), a Dask array or an array."""
        X = through(self.variates_.transform, features)
        return np.stack([machine.predict(X) for machine in self.machines_], axis=1)

    def arrays(self):
        """All that was fitted, by name: to be kept, and to predict from without this software."""
        variates = self.variates_
        arrays = {
            "canonical_weights": variates.x_weights_,
            "canonical_mean": variates.x_mean_,
            "canonical_loadings": variates.x_loadings_,
            "canonical_affect": variates.y_loadings_,
            "canonical_correlations": variates.correlations_,
            "ridge_coefficients": self.ridge_.coefficients_,
            "ridge_intercept": self.ridge_.intercept_,
        }
        for axis, machine, choice in zip(AXES, self.machines_, self.choices_, strict=True):
            support, dual, bias = machine.expansion()
            arrays |= {
                f"{axis}_support": support,
                f"{axis}_dual": dual,
                f"{axis}_bias": bias,
                f"{axis}_gamma_cost_epsilon": np.array(choice.parameters),
            }
        return {name: np.asarray(values, np.float64) for name, values in arrays.items()}


def fold_moments(frames, folds):
    """Moments of features and labels by fold of subjects, each block of features read once.

    Returns
    -------
    list of Moments, one a fold that has frames
    """
    fold = np.zeros(len(frames), dtype=np.int64)
    count = min(folds, len(pd.unique(frames.subjects)))
    if count > 1:
        splits = GroupKFold(count).split(fold, groups=frames.subjects)
        for number, (_, held) in enumerate(splits):
            fold[held] = number
    task, parts, start = dask.delayed(_moments_by_fold), [], 0
    blocks = da.asarray(frames.features).rechunk({1: -1})
    for size, block in zip(blocks.chunks[0], blocks.to_delayed()[:, 0], strict=True):
        rows = slice(start, start + size)
        parts.append(task(block, frames.labels[rows], fold[rows], frames.subjects[rows]))
        start += size
    merged = merge_tree(parts, _merge_folds)
    return [merged[number] for number in sorted(merged)]


def _moments_by_fold(X, Y, fold, subjects):
    _refuse_broken(X, subjects, "training frames have weights")
    return {n: joint_moments(X[fold == n], Y[fold == n]) for n in np.unique(fold).tolist()}


def _merge_folds(parts):
    """{fold: Moments} of several such."""
    merged: dict = {}
    for part in parts:
        for number, own in part.items():
            merged[number] = merged[number].merge(own) if number in merged else own
    return merged


def through(function, features):
    """What a function makes of features, block after block: (n, ...) in memory."""
    features = da.asarray(features)
    blocks = (features.blocks[number] for number in range(features.numblocks[0]))
    return np.concatenate([function(block.compute()) for block in blocks])


@dataclass(frozen=True)
class Evaluation:
    """What came of a regression on unseen frames.

    Attributes
    ----------
    row : dict, as `measure` returns it
    model : Regression
    predicted : (n, 2), of the test frames
    """

    row: dict
    model: Regression
    predicted: np.ndarray


def evaluate(train, test, settings, rng, choices=None):
    """Fit on training frames, and measure on test frames of other subjects.

    Parameters
    ----------
    train, test : Frames
        No subject in both.
    settings : config.validation.Settings
    rng : numpy.random.Generator, for the bootstrap
    choices : as for Regression

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        A subject is in both sets.
    BadInput
        As for `Regression.fit`; or the test set is empty, has a label that is not finite, or a
        constant axis.
    """
    shared = set(train.subjects) & set(test.subjects)
    if shared:
        raise ValueError(f"subjects in both sets of the split: {sorted(shared)[:3]}")
    check(test, "test")
    model = Regression(settings, choices).fit(train)
    predicted = model.predict(test.features)
    return Evaluation(measure(test, predicted, settings, rng), model, predicted)


def measure(frames, predicted, settings, rng):
    """Agreement with the labels of test frames, with bootstrap intervals over subjects.

    Parameters
    ----------
    frames : Frames
    predicted : (n, 2)
    settings : config.validation.Settings
    rng : numpy.random.Generator

    Returns
    -------
    dict
        ccc_valence, ..., pearson_arousal, and each with _low and _high.
    """
    row = {}
    for column, axis in enumerate(AXES):
        y, p = frames.labels[:, column], predicted[:, column]
        intervals = bootstrap(y, p, frames.subjects, settings.bootstrap, rng)
        for name, agreement in MEASURES.items():
            defined = name != "pearson" or np.ptp(p) > 0
            row[f"{name}_{axis}"] = agreement(y, p) if defined else np.nan
            row[f"{name}_{axis}_low"], row[f"{name}_{axis}_high"] = intervals[name]
    return row


def _refuse_broken(values, subjects, what):
    """Refuse rows (n, ...) of which a value is not finite, by the first one's subject."""
    broken = np.flatnonzero(~np.isfinite(values).all(1))
    if len(broken):
        raise BadInput(
            LABELS,
            f"{len(broken)} {what} that are not finite, the first of subject {subjects[broken[0]]}",
            "leave these frames out",
        )


def check(frames, name):
    """Refuse frames that cannot be fitted or measured.

    Raises
    ------
    BadInput
        There are none, a label is not finite, or an axis is constant.
    """
    if not len(frames):
        raise BadInput(LABELS, f"the {name} set is empty", "annotate frames of more subjects")
    _refuse_broken(frames.labels, frames.subjects, f"{name} frames have labels")
    for axis, labels in zip(AXES, frames.labels.T, strict=True):
        if np.ptp(labels) == 0:
            raise BadInput(LABELS, f"{axis} is constant over the {name} set", "annotate more")
