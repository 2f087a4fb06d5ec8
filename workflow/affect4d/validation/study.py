"""Everything that Table 1 is made of: the paper's regression in each basis, and its controls.

Controls run in the configured basis, with its row's kernel, cost and tube: ridge regression on all
components (what the two variates and the kernel lose, or gain), shuffled labels (what chance
gives), frames of every subject held out instead of subjects (a leak: it shows what the honest split
forgoes), and what a perfect predictor would reach, where the annotators' error is known.
"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.validation.basis import Key, keys
from affect4d.validation.regression import (
    AXES,
    Frames,
    Regression,
    evaluate,
    measure,
    through,
)
from affect4d.validation.split import TEST

log = logging.getLogger(__name__)

MAIN, RIDGE = "cca + svr", "ridge on all components"
SHUFFLED, DEPENDENT = "shuffled labels", "subject-dependent split"
CEILING = "annotation ceiling"
MODELS = MAIN, RIDGE, SHUFFLED, DEPENDENT, CEILING
OK = "ok"
LEAK = "leak: frames of the same subjects in both sets"


@dataclass
class Study:
    """What was found.

    Attributes
    ----------
    rows : list of dict, of the table
    models : dict of "{key}_{name}" to array: all that was fitted for the rows of the paper's kind
    chosen : Key of the size with the best CCC within the training set; None where there is none
    predictions : (n, 2), of the chosen one for the test frames
    """

    rows: list
    models: dict
    chosen: Key | None = None
    predictions: np.ndarray | None = None


class Experiment:
    """The regression in every basis, on one split.

    Parameters
    ----------
    projections : Projections
    split : DataFrame of subject, set
    attained : dict of str(Key) to int
        Components that the apex frames carry.
    settings : config.validation.Settings
    seed : int
    noise : float, optional
        Standard deviation of the annotators' error.
    """

    def __init__(self, projections, split, attained, settings, seed, noise=None):
        self.projections, self.attained = projections, attained
        self.settings, self.seed, self.noise = settings, seed, noise
        held = split.loc[split["set"] == TEST, "subject"]
        test = projections.table["subject"].isin(set(held)).to_numpy()
        self.train, self.test = np.flatnonzero(~test), np.flatnonzero(test)

    def run(self):
        """The whole Study; a row that cannot be measured says why."""
        study, best = Study([], {}), -np.inf
        for key in keys(self.settings.components):
            frames = self._frames(key, study)
            if frames is None:
                continue
            try:
                model, predicted = self._main(key, frames, study)
            except BadInput as problem:
                self._refuse(key, MAIN, problem.rule, study)
                continue
            study.models |= {f"{key}_{name}": own for name, own in model.arrays().items()}
            if key[:2] != (self.settings.basis, self.settings.basis_subjects):
                continue
            score = np.mean([choice.ccc for choice in model.choices_])
            if study.chosen is None or score > best:
                best, study.chosen, study.predictions = score, key, predicted
            self._controls(key, frames, model, study)
        study.rows.append(self._ceiling())
        return study

    def _frames(self, key, study):
        found = self.attained[str(key)]
        if found < key.size:
            self._refuse(key, MAIN, f"beyond the rank: {found} components attained", study)
            return None
        return self.projections.frames(key)

    def _main(self, key, frames, study):
        train, test = frames[self.train], frames[self.test]
        found = evaluate(train, test, self.settings, self._stream(key, MAIN))
        self._keep(key, MAIN, OK, found.row, study)
        return found.model, found.predicted

    def _controls(self, key, frames, model, study):
        train, test = frames[self.train], frames[self.test]
        ridge = through(model.ridge_.predict, test.features)
        row = measure(test, ridge, self.settings, self._stream(key, RIDGE))
        self._keep(key, RIDGE, OK, row, study)
        rng = self._stream(key, SHUFFLED)
        labels = train.labels[rng.permutation(len(train))]
        shuffled = Frames(train.features, labels, train.subjects)
        chance = evaluate(shuffled, test, self.settings, rng, model.choices_)
        self._keep(key, SHUFFLED, OK, chance.row, study)
        self._keep(key, DEPENDENT, LEAK, self._leaked(key, frames, model.choices_), study)

    def _leaked(self, key, frames, choices):
        """Frames of all subjects held out."""
        rng = self._stream(key, DEPENDENT)
        held = rng.random(len(frames)) < self.settings.test_share
        apart, known = frames[np.flatnonzero(held)], frames[np.flatnonzero(~held)]
        predicted = Regression(self.settings, choices).fit(known).predict(apart.features)
        return measure(apart, predicted, self.settings, rng)

    def _keep(self, key, model, status, figures, study):
        study.rows.append(self._row(key, model, status) | figures)
        log.info(
            "%s, %s: %s",
            str(key),
            model,
            ", ".join(f"CCC {axis} {figures[f'ccc_{axis}']:.3f}" for axis in AXES),
        )

    def _refuse(self, key, model, reason, study):
        study.rows.append(self._row(key, model, reason))
        log.info("%s, %s: %s", str(key), model, reason)

    def _ceiling(self):
        """Of a predictor that knows the truth: labels are truth plus error, y = t + e.

        Of all a t the CCC with y is largest at a = sd(y) / sd(t), and is then sd(t) / sd(y); var(t)
        is var(y) less the error's. The least MSE is the error's variance.
        """
        row = {"model": CEILING, "status": "unknown: set validation.annotation_noise"}
        if self.noise is None:
            return row
        row["status"] = f"for annotators' error of standard deviation {self.noise:g}"
        labels = self.projections.table[list(AXES)].to_numpy()[self.test]
        for axis, spread in zip(AXES, labels.var(0), strict=True):
            share = max(1 - self.noise**2 / spread, 0) if spread > 0 else np.nan
            row |= {f"ccc_{axis}": np.sqrt(share), f"pearson_{axis}": np.sqrt(share)}
            row[f"mse_{axis}"] = self.noise**2
        return row

    def _row(self, key, model, status):
        return {
            "components": key.size,
            "basis": key.kind,
            "basis_subjects": key.subjects,
            "model": model,
            "status": status,
        }

    def _stream(self, key, model):
        return named_rng(self.seed, "validation", str(key), model)


def predictions(projections, study, test):
    """The test frames' labels and predictions, a row a frame in the order of their sequences.

    Returns
    -------
    DataFrame
        sequence, frame_id, subject, valence, arousal, predicted_valence, predicted_arousal.
    """
    table = projections.table.iloc[test].reset_index(drop=True)
    columns = ["sequence", "frame_id", "subject", *AXES]
    predicted = pd.DataFrame(study.predictions, columns=[f"predicted_{axis}" for axis in AXES])
    return pd.concat([table[columns], predicted], axis=1)
