"""How much of each basic expression a fitted face shows, beside what is the person's own.

The fit's expression coefficients do not tell: their modes have two signs, and what a smile does to
the corners of a mouth, a broad mouth does as well. Nobody shows less than none of an expression,
though: with amplitudes that are bounded below, few of them and calibrated against real faces,
neutral faces get next to none of them, whatever the identity. Brows tell nothing: where a person's
lie differs from the model's by more than a smile moves them (docs/synthesis.md).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from affect4d.config.fitting import Settings
from affect4d.fitting.fitted import Fit
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import inter_ocular
from affect4d.fitting.solver import RAYLEIGH_MEDIAN
from affect4d.template.ibug68 import BROWS, INTERNAL

_TELLING = np.setdiff1d(INTERNAL, BROWS)  # landmarks
_ROUNDS = 2  # a third changes amplitudes by .01


def estimate_amplitudes(
    fit: Fit,
    model: MorphableModel,
    expressions: NDArray[np.floating],
    *,
    settings: Settings | None = None,
) -> NDArray[np.float64]:
    """Amplitudes (K,) of expressions in a fitted face, at least 0; 1: as they are given.

    Landmarks of eyes, nose and mouth are explained, in the camera's linearisation, by the camera,
    the identity modes under their prior N(0, 1), and the expressions, whose amplitudes have no
    prior. Where that leaves more than `landmark_sd`, it is repeated with what the median landmark
    leaves as their standard deviation.

    Parameters
    ----------
    fit : of the photograph
    model : that was fitted
    expressions : (K, V, 3) mm
    settings : of the fitting, the defaults when absent
    """
    vertices = model.landmark_vertices[_TELLING]
    points = fit.vertices[vertices].astype(np.float64)
    camera = type(fit.camera)(*(np.asarray(value)[None] for value in vars(fit.camera).values()))
    projected, by_camera, by_point = (part[0] for part in camera.linearise(points[None]))
    # what the fit took for expression is open again, and so is the smooth field: it follows a smile
    identity = np.tensordot(fit.identity, model.identity[:, vertices], 1)
    own = points - model.mean[vertices] - identity
    residual = fit.landmarks[_TELLING] - projected + np.einsum("pij,pj->pi", by_point, own)
    modes = np.concatenate([model.identity[:, vertices], expressions[:, vertices]])
    by_mode = np.einsum("pij,kpj->kpi", by_point, modes).reshape(len(modes), -1)
    size = float(fit.camera.scale) * inter_ocular(fit.vertices[model.landmark_vertices])
    columns = np.concatenate([by_mode.T, by_camera.reshape(by_mode.shape[1], -1)], axis=1)
    prior = np.eye(len(model.identity), columns.shape[1])
    lower = np.full(columns.shape[1], -np.inf)
    shown = slice(len(model.identity), len(modes))
    lower[shown] = 0
    deviation = (settings or Settings()).landmark_sd * size
    solution = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        weighted = np.concatenate([columns / deviation, prior])
        goal = np.concatenate([residual.ravel() / deviation, -fit.identity])
        solution = lsq_linear(weighted, goal, (lower, np.inf)).x
        left = np.linalg.norm((residual.ravel() - columns @ solution).reshape(-1, 2), axis=1)
        deviation = max(deviation, float(np.median(left)) / RAYLEIGH_MEDIAN)
    return np.asarray(solution[shown])
