"""From blendshape weights to valence and arousal: CCA, then RBF regression, all leak-free."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import dask.array as da
import numpy as np
import pandas as pd
from dask.delayed import delayed
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from affect4d.config.validation import Settings
from affect4d.quarantine import BadInput
from affect4d.validation.cca import LinearCCA, joint_moments, merge_tree
from affect4d.validation.frames import AXES, LABELS, Frames, require_finite, require_usable
from affect4d.validation.metrics import bootstrap, ccc, mse, pearson
from affect4d.validation.moments import Moments
from affect4d.validation.ridge import MomentRidge
from affect4d.validation.search import Choice, sample_evenly, search_parameters
from affect4d.validation.svr import KernelSVR

METRICS = {"ccc": ccc, "mse": mse, "pearson": pearson}

Floats = NDArray[np.float64]


class Regression:
    """CCA to two variates, then one support vector machine per axis (paper, section 4.1).

    Everything is fitted on the frames given to `fit`: the projections, and the kernel's width, C
    and epsilon, which GroupKFold over subjects chooses for each axis. Of the features only sums,
    the two variates and the search's sample are held in memory.

    Parameters
    ----------
    settings : of the validation
    choices : one per axis, in place of a search

    Attributes
    ----------
    choices_ : one per axis
    variates_ : the projections
    machines_ : one per axis
    ridge_ : on all components, for comparison
    """

    choices_: list[Choice]
    variates_: LinearCCA
    machines_: list[KernelSVR]
    ridge_: MomentRidge

    def __init__(self, settings: Settings, choices: list[Choice] | None = None) -> None:
        self.settings, self.choices = settings, choices

    def fit(self, frames: Frames) -> Self:
        """Choose the parameters and fit both machines on all of `frames`.

        Raises
        ------
        BadInput
            There are no more frames than components, a weight or label is not finite, or an axis
            is constant.
        """
        require_usable(frames, "training")
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
        X = apply_blockwise(self.variates_.transform, frames.features)
        self.machines_ = [
            KernelSVR(self.settings.regressor, **parameters._asdict()).fit(X, labels)
            for (parameters, _), labels in zip(self.choices_, frames.labels.T, strict=True)
        ]
        return self

    def _search(self, frames: Frames) -> list[Choice]:
        sample = frames[sample_evenly(frames.subjects, self.settings.search_frames)].loaded()
        return search_parameters(sample, len(frames) / len(sample), self.settings)

    def predict(self, features: Any) -> Floats:
        """Valence and arousal (n, 2) of features (n, K), a Dask array or an array."""
        X = apply_blockwise(self.variates_.transform, features)
        return np.stack([machine.predict(X) for machine in self.machines_], axis=1)

    def arrays(self) -> dict[str, Floats]:
        """All that was fitted, by name: enough to predict without this software."""
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


def fold_moments(frames: Frames, folds: int) -> list[Moments]:
    """Moments of features and labels by fold of subjects, each block of features read once.

    Returns
    -------
    One per fold that has frames.
    """
    fold = np.zeros(len(frames), dtype=np.int64)
    count = min(folds, len(pd.unique(frames.subjects)))
    if count > 1:
        splits = GroupKFold(count).split(fold, groups=frames.subjects)
        for number, (_, held) in enumerate(splits):
            fold[held] = number
    task, parts, start = delayed(_moments_by_fold), [], 0
    features = da.asarray(frames.features)  # type: ignore[no-untyped-call]
    blocks = features.rechunk({1: -1})
    for size, block in zip(blocks.chunks[0], blocks.to_delayed()[:, 0], strict=True):
        rows = slice(start, start + size)
        own = frames.labels[rows], fold[rows]
        parts.append(task(block, *own, subjects=frames.subjects[rows]))
        start += size
    merged = merge_tree(parts, _merge_folds)
    return [merged[number] for number in sorted(merged)]


def _moments_by_fold(
    X: NDArray[np.floating], Y: Floats, fold: NDArray[np.int64], *, subjects: NDArray[np.str_]
) -> dict[int, Moments]:
    require_finite(X, subjects, "training frames have weights")
    return {n: joint_moments(X[fold == n], Y[fold == n]) for n in np.unique(fold).tolist()}


def _merge_folds(parts: list[dict[int, Moments]]) -> dict[int, Moments]:
    """{fold: Moments} of several such."""
    merged: dict[int, Moments] = {}
    for part in parts:
        for number, moments in part.items():
            merged[number] = merged[number].merge(moments) if number in merged else moments
    return merged


def apply_blockwise(function: Callable[[Any], Floats], features: Any) -> Floats:
    """Results (n, ...) of a function of features (n, K), block after block, in memory."""
    features = da.asarray(features)  # type: ignore[no-untyped-call]
    blocks = (features.blocks[number] for number in range(features.numblocks[0]))
    return np.concatenate([function(block.compute()) for block in blocks])


@dataclass(frozen=True)
class Evaluation:
    """The result of a regression on unseen frames.

    Attributes
    ----------
    row : as `measure` returns it
    model : fitted on the training frames
    predicted : (n, 2), of the test frames
    """

    row: dict[str, float]
    model: Regression
    predicted: Floats


def evaluate(
    train: Frames,
    test: Frames,
    settings: Settings,
    *,
    rng: Generator,
    choices: list[Choice] | None = None,
) -> Evaluation:
    """Fit on training frames, and measure on test frames of other subjects.

    Parameters
    ----------
    train, test : no subject in both
    settings : of the validation
    rng : for the bootstrap
    choices : as for Regression

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
    require_usable(test, "test")
    model = Regression(settings, choices).fit(train)
    predicted = model.predict(test.features)
    row = measure(test, predicted, resamples=settings.bootstrap, rng=rng)
    return Evaluation(row, model, predicted)


def measure(
    frames: Frames, predicted: Floats, *, resamples: int, rng: Generator
) -> dict[str, float]:
    """Agreement with the labels of test frames, with bootstrap intervals over subjects.

    Parameters
    ----------
    frames : n frames
    predicted : (n, 2)
    resamples : of the subjects
    rng : for the bootstrap

    Returns
    -------
    ccc_valence, ..., pearson_arousal, and each with _low and _high.
    """
    row = {}
    for column, axis in enumerate(AXES):
        y, p = frames.labels[:, column], predicted[:, column]
        intervals = bootstrap(y, p, frames.subjects, resamples=resamples, rng=rng)
        for name, agreement in METRICS.items():
            defined = name != "pearson" or np.ptp(p) > 0
            row[f"{name}_{axis}"] = agreement(y, p) if defined else np.nan
            row[f"{name}_{axis}_low"], row[f"{name}_{axis}_high"] = intervals[name]
    return row
