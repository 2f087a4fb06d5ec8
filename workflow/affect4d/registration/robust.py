"""Landmarks that cannot be trusted: mirrored, swapped, of another unit, or simply off.

Landmark detectors fail in few ways; each is tested by its effect on the similarity with the
template, and single points by the leave-one-out residual of the spline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.similarity import Similarity, fit_similarities
from affect4d.registration.spline import SurfaceSpline
from affect4d.template.ibug68 import BROW_OUTER_ENDS, BROWS, COUNT, EYES, JAW, MIRROR, MOUTH, STABLE

# How far a landmark of any face lies from the template's after the similarity, at most: the upper
# face differs by its build only (most at the ends of the brows), mouth and jaw move. A group that
# is displaced together is found by this.
_MAX_DISPLACEMENT_MM = np.full(COUNT, 18.0)
_MAX_DISPLACEMENT_MM[BROW_OUTER_ENDS] = 25.0
_MAX_DISPLACEMENT_MM[JAW] = _MAX_DISPLACEMENT_MM[MOUTH] = 40.0

# Weights of the landmarks in the similarity: jaw and mouth move, the skull does not.
_WEIGHTS = np.full(COUNT, 0.3)
_WEIGHTS[JAW], _WEIGHTS[MOUTH], _WEIGHTS[STABLE] = 0.05, 0.1, 1.0
# Scales of the reweighting (Geman-McClure), from what a gross error leaves down to how far the
# landmarks of a face lie from the template's; the last twice, so that it converges.
_SCALES_MM = (60.0, 30.0, 15.0, 8.0, 8.0)

# Left and right confused: each point takes its mirror image's label, or the two sides exchange
# theirs.
_EXCHANGES = (
    ((EYES, MIRROR[EYES]), (EYES, np.roll(EYES, len(EYES) // 2))),
    ((BROWS, MIRROR[BROWS]), (BROWS, np.roll(BROWS, len(BROWS) // 2))),
)
# Other labels are tried where the residual is beyond what builds and expressions leave.
_MAX_RESIDUAL_MM = 6.0
# Other labels are accepted where they leave less than this share of the residual.
_ACCEPTED_SHARE = 0.6

# Stiffness (mm^2) of the spline that tests landmarks: low, so that it follows any face.
_CHECK_STIFFNESS = 1.0
# A landmark is an outlier among noisy ones beyond this multiple of the median residual.
_OUTLIER_MEDIANS = 3.5
# The spline is not fitted to fewer landmarks: it has 4 affine parameters per coordinate.
_MIN_LANDMARKS = 8

_UNITS = (1.0, 10.0, 1000.0, 0.001)  # mm, cm, m, micrometres


@dataclass(frozen=True)
class Alignment:
    """Scan landmarks brought to the template.

    Attributes
    ----------
    similarity : from the scan's frame to the template's
    landmarks : (68, 3), the landmarks as relabelled, scan's frame; NaN where not marked
    residual : mm, weighted mean distance to the template's landmarks
    mirrored : whether the landmarks form a mirror image of a face
    relabelled : number of landmarks of eyes or brows that carried each other's labels
    unit : millimetres in one unit of the scan
    """

    similarity: Similarity
    landmarks: NDArray[np.float64]
    residual: float
    mirrored: bool
    relabelled: int
    unit: float


@dataclass(frozen=True)
class Checked:
    """Landmarks of one scan, checked.

    Attributes
    ----------
    alignment : to the template
    displacement : (68, 3) mm, from the template's landmarks to the aligned ones; NaN where not
        marked
    raw : (68, 3) mm, the same, before the noise of the sequence is removed
    keep : (68,), the landmarks whose displacement is used
    residual : (68,) mm, leave-one-out residual; NaN for the others
    dropped : number of landmarks that were marked and are rejected
    stiffness : mm^2, of the spline through them: how noisy they are
    of_sequence : whether what other frames of the sequence do not share, noise, is removed
    """

    alignment: Alignment
    displacement: NDArray[np.float64]
    raw: NDArray[np.float64]
    keep: NDArray[np.bool_]
    residual: NDArray[np.float64]
    dropped: int
    stiffness: float
    of_sequence: bool = False


def align(landmarks: NDArray[np.floating[Any]], target: NDArray[np.float64]) -> Alignment:
    """Align landmarks (68, 3), NaN where not marked, to the template's; relabel the mislabelled.

    Raises
    ------
    ValueError
        The landmarks do not span a plane.
    """
    points = np.asarray(landmarks, dtype=float)
    order, best, mirrored = _choose(points, [np.arange(COUNT)], target)
    relabelled = 0
    if best[1] > _MAX_RESIDUAL_MM:
        order, best, mirrored = _choose(points, [order, MIRROR], target)
    for exchanges in _EXCHANGES if best[1] > _MAX_RESIDUAL_MM else ():
        others = [order[_exchange(group, source)] for group, source in exchanges]
        order, best, changed = _choose(points, [order, *others], target)
        relabelled += len(exchanges[0][0]) * changed
    similarity, residual = best
    unit = _UNITS[int(np.argmin(np.abs(np.log(similarity.scale / np.array(_UNITS)))))]
    return Alignment(similarity, points[order], residual, mirrored, relabelled, unit)


def _choose(
    points: NDArray[np.float64],
    orders: Sequence[NDArray[np.int64]],
    target: NDArray[np.float64],
) -> tuple[NDArray[np.int64], tuple[Similarity, float], bool]:
    """The order of labels, its similarity and residual (mm), and whether it is not the first."""
    factor, rotation, translation, residual = _robust(points[np.array(orders)], target)
    chosen = int(np.argmin(residual))
    if not residual[chosen] < _ACCEPTED_SHARE * residual[0]:
        chosen = 0
    similarity = Similarity(float(factor[chosen]), rotation[chosen], translation[chosen])
    return orders[chosen], (similarity, float(residual[chosen])), chosen > 0


def _exchange(group: NDArray[np.int64], source: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.arange(COUNT)
    order[group] = source
    return order


def _robust(
    points: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Iteratively reweighted similarities of landmarks (B, 68, 3) to the target (68, 3) mm: scales,
    rotations, translations, and mean residuals (B,), mm."""
    marked = np.all(np.isfinite(points), axis=2)
    points = np.where(marked[:, :, None], points, 0.0)
    weights = _WEIGHTS * marked
    current = weights
    for scale_mm in _SCALES_MM:
        factor, rotation, translation = fit_similarities(points, target, current)
        moved = points @ (factor[:, None, None] * rotation).transpose(0, 2, 1)
        distance = np.linalg.norm(moved + translation[:, None] - target, axis=2)
        current = weights / (1.0 + (distance / scale_mm) ** 2) ** 2
    return factor, rotation, translation, (weights * distance).sum(1) / weights.sum(1)


def drop_outliers(
    spline: SurfaceSpline,
    displacement: NDArray[np.float64],
    *,
    limit: float,
    max_dropped: int,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Drop landmarks, worst first, until no residual exceeds `limit` mm.

    Those displaced further than any face's are dropped first. The limit is relaxed where the
    template's other landmarks determine one poorly, and where all are noisy.

    Parameters
    ----------
    spline : of the template
    displacement : (68, 3) mm, NaN where not marked
    limit : mm, leave-one-out residual
    max_dropped : how many may be dropped

    Returns
    -------
    keep : (68,)
    residual : (68,) mm, leave-one-out residual of the kept, NaN for the others
    """
    marked = np.all(np.isfinite(displacement), axis=1)
    length = np.nan_to_num(np.linalg.norm(displacement, axis=1), nan=np.inf)
    keep = marked & (length < _MAX_DISPLACEMENT_MM)
    min_kept = max(marked.sum() - max_dropped, _MIN_LANDMARKS)
    if keep.sum() < min_kept:
        keep = marked
    while True:
        _, left_out, spread = spline.fit(displacement, _CHECK_STIFFNESS, keep)
        distance = np.linalg.norm(left_out, axis=1)
        excess = distance / np.maximum(spread, 1.0)
        worst = int(np.nanargmax(excess))
        noisy = _OUTLIER_MEDIANS * float(np.nanmedian(distance))
        if excess[worst] <= max(limit, noisy) or keep.sum() <= min_kept:
            return keep, distance
        keep = keep.copy()
        keep[worst] = False
