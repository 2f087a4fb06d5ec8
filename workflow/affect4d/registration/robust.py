"""Landmarks that cannot be trusted: mirrored, swapped, of another unit, or simply off.

Landmark detectors fail in few ways; each is tested by what it does to the similarity with the
template, and single points by the leave-one-out residual of the spline.
"""

from dataclasses import dataclass

import numpy as np

from affect4d.geometry.similarity import Similarity, fit_similarities
from affect4d.template.ibug68 import BROW_OUTER_ENDS, BROWS, COUNT, EYES, JAW, MIRROR, MOUTH, STABLE

# How far (mm) a landmark of any face lies from the template's after the similarity: the upper face
# differs by its build only (most at the ends of the brows), mouth and jaw move. A group that is
# off as a whole is found by this.
_REACH_MM = np.full(COUNT, 18.0)
_REACH_MM[BROW_OUTER_ENDS] = 25.0
_REACH_MM[JAW] = _REACH_MM[MOUTH] = 40.0

# Left and right confused: each point takes its mirror image's label, or the blocks trade places.
_EXCHANGES = (
    ((EYES, MIRROR[EYES]), (EYES, np.roll(EYES, 6))),
    ((BROWS, MIRROR[BROWS]), (BROWS, np.roll(BROWS, 5))),
)
# Other labels are tried where the residual (mm) is beyond what builds and expressions leave.
_SUSPICIOUS_MM = 6.0
# Other labels are believed where they leave less than this share of the residual.
_CLEARLY = 0.6

# Stiffness (mm^2) of the spline that tests landmarks: low, so that it follows any face.
_CHECK_STIFFNESS = 1.0

# A landmark stands out from noise that all have by this factor of the median residual.
_NOISY = 3.5
# The spline is not fitted to fewer landmarks.
_LEAST = 8

_UNITS = (1.0, 10.0, 1000.0, 0.001)  # mm, cm, m, micrometres


def similarity_weights():
    """Weights (68,) of the landmarks in the similarity: jaw and mouth move, the skull does not."""
    weights = np.full(COUNT, 0.3)
    weights[JAW] = 0.05
    weights[MOUTH] = 0.1
    weights[STABLE] = 1.0
    return weights


@dataclass(frozen=True)
class Alignment:
    """Scan landmarks brought to the template.

    Attributes
    ----------
    similarity : Similarity from the scan's frame to the template's
    landmarks : (68, 3) the landmarks as relabelled, scan's frame; NaN where not marked
    residual : float, mm, weighted mean distance to the template's landmarks
    mirrored : bool, the landmarks form a mirror image of a face
    relabelled : int, landmarks of eyes or brows that carried each other's labels
    unit : float, millimetres in one unit of the scan
    """

    similarity: Similarity
    landmarks: np.ndarray
    residual: float
    mirrored: bool
    relabelled: int
    unit: float


def align(landmarks, target):
    """Align landmarks (68, 3), NaN where not marked, to the template's; relabel the mislabelled.

    Raises
    ------
    ValueError
        The landmarks do not span a plane.
    """
    points = np.asarray(landmarks, dtype=float)
    order, best, mirrored = _choose(points, np.arange(COUNT), [], target)
    relabelled = 0
    if best[1] > _SUSPICIOUS_MM:
        order, best, mirrored = _choose(points, order, [MIRROR], target)
    for exchanges in _EXCHANGES if best[1] > _SUSPICIOUS_MM else ():
        others = [order[_exchange(group, source)] for group, source in exchanges]
        order, best, changed = _choose(points, order, others, target)
        relabelled += len(exchanges[0][0]) * changed
    similarity, residual = best
    unit = _UNITS[int(np.argmin(np.abs(np.log(similarity.scale / np.array(_UNITS)))))]
    return Alignment(similarity, points[order], residual, mirrored, relabelled, unit)


def _choose(points, order, others, target):
    """The order of labels, its (similarity, residual), and whether it is one of the others."""
    orders = [order, *others]
    factor, rotation, translation, residual = _robust(points[np.array(orders)], target)
    chosen = int(np.argmin(residual))
    if not residual[chosen] < _CLEARLY * residual[0]:
        chosen = 0
    similarity = Similarity(float(factor[chosen]), rotation[chosen], translation[chosen])
    return orders[chosen], (similarity, float(residual[chosen])), chosen > 0


def _exchange(group, source):
    order = np.arange(COUNT)
    order[group] = source
    return order


def _robust(points, target):
    """Iteratively reweighted similarities (Geman-McClure, 8 mm) of landmarks (B, 68, 3), and their
    mean residuals (B,), mm."""
    marked = np.isfinite(points).all(2)
    points = np.where(marked[:, :, None], points, 0.0)
    weights = similarity_weights() * marked
    current = weights
    for scale_mm in (60.0, 30.0, 15.0, 8.0, 8.0):
        factor, rotation, translation = fit_similarities(points, target, current)
        moved = points @ (factor[:, None, None] * rotation).transpose(0, 2, 1)
        distance = np.linalg.norm(moved + translation[:, None] - target, axis=2)
        current = weights / (1.0 + (distance / scale_mm) ** 2) ** 2
    return factor, rotation, translation, (weights * distance).sum(1) / weights.sum(1)


def drop_outliers(spline, displacement, limit, most):
    """Drop landmarks, worst first, until none is off by more than `limit` mm.

    Those beyond any face's reach go first. The limit is relaxed where the template's other
    landmarks tell little about one, and where all are noisy.

    Parameters
    ----------
    spline : SurfaceSpline
    displacement : (68, 3) mm, NaN where not marked
    limit : mm, leave-one-out residual
    most : int, how many may be dropped

    Returns
    -------
    keep : (68,) bool
    residual : (68,) mm, leave-one-out residual of the kept, NaN for the others
    """
    marked = np.isfinite(displacement).all(1)
    keep = marked & (np.nan_to_num(np.linalg.norm(displacement, axis=1), nan=np.inf) < _REACH_MM)
    least = max(marked.sum() - most, _LEAST)
    if keep.sum() < least:
        keep = marked
    while True:
        _, left_out, spread = spline.fit(displacement, _CHECK_STIFFNESS, keep)
        distance = np.linalg.norm(left_out, axis=1)
        excess = distance / np.maximum(spread, 1.0)
        worst = int(np.nanargmax(excess))
        if (
            excess[worst] <= max(limit, _NOISY * float(np.nanmedian(distance)))
            or keep.sum() <= least
        ):
            return keep, distance
        keep = keep.copy()
        keep[worst] = False
