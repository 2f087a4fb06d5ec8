"""All rows of Table 1: the paper's regression in each basis, and its controls.

Controls run in the configured basis, with its row's kernel, C and epsilon: ridge regression on all
components (what the two variates and the kernel lose, or gain), shuffled labels (what chance
gives), frames of every subject held out instead of subjects (a leak: it shows what the honest split
forgoes), and what a perfect predictor would reach, where the annotators' error is known.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from affect4d.artifacts.validation import CEILING, DEPENDENT, MAIN, OK, RIDGE, SHUFFLED
from affect4d.config.validation import Settings
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.validation.basis import Key, keys
from affect4d.validation.frames import AXES, Frames
from affect4d.validation.projections import Projections
from affect4d.validation.regression import Regression, apply_blockwise, evaluate, measure
from affect4d.validation.search import Choice
from affect4d.validation.split import TEST

log = logging.getLogger(__name__)

LEAK = "leak: frames of the same subjects in both sets"

Row = dict[str, Any]  # of the table, by column
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """The size that does best within the training set.

    Attributes
    ----------
    key : its basis
    ccc : of the out-of-fold predictions, mean of both axes
    predictions : (n, 2), for the test frames
    """

    key: Key
    ccc: float
    predictions: Floats


@dataclass
class Study:
    """Results of an Experiment.

    Attributes
    ----------
    rows : of the table
    models : {"{key}_{name}": array}, all that was fitted for the rows of the paper's kind
    chosen : None where nothing was measured
    """

    rows: list[Row] = field(default_factory=list)
    models: dict[str, Floats] = field(default_factory=dict)
    chosen: Chosen | None = None

    def add(self, key: Key, model: str, status: str, **figures: float) -> None:
        """Add a row of the table, and log it."""
        basis = {"components": key.size, "basis": key.kind, "basis_subjects": key.subjects}
        self.rows.append({**basis, "model": model, "status": status, **figures})
        agreement = ", ".join(
            f"CCC {axis} {figures[f'ccc_{axis}']:.3f}" for axis in AXES if figures
        )
        log.info("%s, %s: %s", key, model, agreement or status)


class Experiment:
    """The regression in every basis, on one split.

    Parameters
    ----------
    projections : the used frames' features
    split : DataFrame of subject, set
    attained : {str(Key): components that the apex frames carry}
    settings : of the validation
    seed : the build's seed
    noise : standard deviation of the annotators' error, where it is known
    """

    def __init__(
        self,
        projections: Projections,
        split: pd.DataFrame,
        attained: dict[str, int],
        *,
        settings: Settings,
        seed: int,
        noise: float | None = None,
    ) -> None:
        self.projections, self.attained = projections, attained
        self.settings, self.seed, self.noise = settings, seed, noise
        held = split.loc[split["set"] == TEST, "subject"]
        test = projections.table["subject"].isin(set(held)).to_numpy()
        self.train, self.test = np.flatnonzero(~test), np.flatnonzero(test)

    def run(self) -> Study:
        """The complete Study; a row that cannot be measured says why."""
        study = Study()
        for key in keys(self.settings.components):
            attained = self.attained[str(key)]
            if attained < key.size:
                study.add(key, MAIN, f"beyond the rank: {attained} components attained")
                continue
            frames = self.projections.frames(key)
            train, test = frames[self.train], frames[self.test]
            try:
                result = evaluate(train, test, self.settings, rng=self._rng(key, MAIN))
            except BadInput as problem:
                study.add(key, MAIN, problem.rule)
                continue
            study.add(key, MAIN, OK, **result.row)
            model = result.model
            study.models |= {f"{key}_{name}": array for name, array in model.arrays().items()}
            if key[:2] != (self.settings.basis, self.settings.basis_subjects):
                continue
            score = float(np.mean([choice.ccc for choice in model.choices_]))
            if study.chosen is None or score > study.chosen.ccc:
                study.chosen = Chosen(key, score, result.predicted)
            self._add_controls(key, frames, model, study=study)
        study.rows.append(self._ceiling())
        return study

    def _add_controls(self, key: Key, frames: Frames, model: Regression, *, study: Study) -> None:
        train, test = frames[self.train], frames[self.test]
        resamples = self.settings.bootstrap
        ridge = apply_blockwise(model.ridge_.predict, test.features)
        row = measure(test, ridge, resamples=resamples, rng=self._rng(key, RIDGE))
        study.add(key, RIDGE, OK, **row)
        rng = self._rng(key, SHUFFLED)
        labels = train.labels[rng.permutation(len(train))]
        shuffled = Frames(train.features, labels, train.subjects)
        chance = evaluate(shuffled, test, self.settings, rng=rng, choices=model.choices_)
        study.add(key, SHUFFLED, OK, **chance.row)
        study.add(key, DEPENDENT, LEAK, **self._measure_leak(key, frames, model.choices_))

    def _measure_leak(self, key: Key, frames: Frames, choices: list[Choice]) -> dict[str, float]:
        """Agreement where frames of all subjects are held out."""
        rng = self._rng(key, DEPENDENT)
        held = rng.random(len(frames)) < self.settings.test_share
        test, train = frames[np.flatnonzero(held)], frames[np.flatnonzero(~held)]
        predicted = Regression(self.settings, choices).fit(train).predict(test.features)
        return measure(test, predicted, resamples=self.settings.bootstrap, rng=rng)

    def _ceiling(self) -> Row:
        """Of a predictor that knows the truth: labels are truth plus error, y = t + e.

        Of all a t the CCC with y is largest at a = sd(y) / sd(t), and is then sd(t) / sd(y); var(t)
        is var(y) less the error's. The smallest MSE is the error's variance.
        """
        row: Row = {"model": CEILING, "status": "unknown: set validation.annotation_noise"}
        if self.noise is None:
            return row
        row["status"] = f"for annotators' error of standard deviation {self.noise:g}"
        labels = self.projections.table[list(AXES)].to_numpy()[self.test]
        for axis, variance in zip(AXES, labels.var(0), strict=True):
            share = max(1 - self.noise**2 / variance, 0) if variance > 0 else np.nan
            row |= {f"ccc_{axis}": np.sqrt(share), f"pearson_{axis}": np.sqrt(share)}
            row[f"mse_{axis}"] = self.noise**2
        return row

    def _rng(self, key: Key, model: str) -> Generator:
        return named_rng(self.seed, "validation", str(key), model)


def tabulate_predictions(
    projections: Projections, predictions: Floats, test: NDArray[np.int64]
) -> pd.DataFrame:
    """The test frames' labels and predictions, one row per frame in the order of their sequences.

    Parameters
    ----------
    projections : the used frames
    predictions : (n, 2)
    test : (n,) rows of the test frames

    Returns
    -------
    sequence, frame_id, subject, valence, arousal, predicted_valence, predicted_arousal.
    """
    table = projections.table.iloc[test].reset_index(drop=True)
    columns = ["sequence", "frame_id", "subject", *AXES]
    predicted = pd.DataFrame(predictions, columns=[f"predicted_{axis}" for axis in AXES])
    return pd.concat([table[columns], predicted], axis=1)
