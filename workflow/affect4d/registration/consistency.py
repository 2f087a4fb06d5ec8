"""Do landmarks belong to the surface, and the face to the people that the template is the mean of?

What is usual is known of those people: `adaptation` measures each on the mean of the others. For a
template that was not adapted to people nothing is known of it: it may be turned against the surface
of every face.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.similarity import fit_similarity
from affect4d.registration.prior import mirror_images
from affect4d.template.template import Template

_FREEDOM = 6  # of a rigid motion
_MIN_DISTANCE_MM = 1e-6  # no division by zero for landmarks without noise
_STEP = 6  # one in so many vertices of the inner face: neighbours say the same


@dataclass(frozen=True)
class Usual:
    """What is usual of people, each registered to the mean of the others; 0 where none are known.

    Attributes
    ----------
    offset : mm, of the landmarks as a whole from the surface, at most
    deviation : mm, of a face from the mean (`Likeness.deviation`), median
    """

    offset: float = 0.0
    deviation: float = 0.0


NOTHING_USUAL = Usual()


def disagreement(
    missed: NDArray[np.float64], positions: NDArray[np.floating[Any]], usual: Usual
) -> tuple[float, float]:
    """How far landmarks as a whole lie off the surface, and how far beyond what noise explains.

    Parameters
    ----------
    missed : (n, 3) mm, from where landmarks and surface together put the landmarks to where they
        are
    positions : (n, 3) mm, where they are on the template
    usual : of people

    Returns
    -------
    offset : mm, root mean square of the rigid motion that explains most of what is missed
        Of the shift alone below six landmarks, of which a rigid motion explains noise too.
    excess : of the common motion over what the rest, without a common direction, would leave of it
        Of the rigid motion for each degree of freedom, 0 where it is usual; of the shift alone
        below six landmarks and where nothing is usual. NaN for both without landmarks.
    """
    count = len(missed)
    if not count:
        return float("nan"), float("nan")
    shift, are_few = float(np.linalg.norm(missed.mean(0))), count < _FREEDOM
    common = _rigid_part(missed, positions)
    offset = shift if are_few else float(np.sqrt((common**2).sum() / count))
    if offset < usual.offset:
        return offset, 0.0
    if are_few or not usual.offset:
        distance = np.linalg.norm(missed, axis=1).mean()
        return offset, float(np.sqrt(count) * shift / max(distance, _MIN_DISTANCE_MM))
    rest = ((missed - common) ** 2).sum() / (3 * count - _FREEDOM)
    return offset, float(offset * np.sqrt(count / _FREEDOM) / max(np.sqrt(rest), _MIN_DISTANCE_MM))


def _rigid_part(
    missed: NDArray[np.float64], positions: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """The part (n, 3) of displacements (n, 3) that is one shift and small turn: least squares."""
    from_middle = positions - positions.mean(0)
    shifts = np.broadcast_to(np.eye(3)[:, None], (3, *missed.shape))
    turns = np.cross(np.eye(3)[:, None], from_middle)
    basis = np.concatenate([shifts, turns]).reshape(_FREEDOM, -1).T
    solution = np.linalg.lstsq(basis, missed.ravel(), rcond=None)[0]
    part: NDArray[np.float64] = (basis @ solution).reshape(missed.shape)
    return part


class Likeness:
    """How far faces are from the template's, in the prior's measure: what breaks the symmetry of a
    face is less likely than what keeps it."""

    def __init__(self, template: Template) -> None:
        self._rows = np.flatnonzero(template.inner)[::_STEP]
        self._vertices = template.vertices.astype(np.float64)
        images, self._symmetric = mirror_images(self._vertices, self._rows)
        self._images = images[self._rows]

    def deviation(self, face: NDArray[np.floating[Any]], seen: NDArray[np.bool_]) -> float:
        """Of a face (V, 3) mm where it is `seen` (V,): mm, NaN where too little is."""
        both = seen[self._rows] & seen[self._images]
        if both.sum() < _FREEDOM:
            return float("nan")
        rows, images = self._rows[both], self._images[both]
        motion = fit_similarity(face[rows].astype(np.float64), self._vertices[rows])
        own, other = (motion.apply(face[at]) - self._vertices[at] for at in (rows, images))
        other = other * [-1.0, 1.0, 1.0]
        kept, broken = ((((own + sign * other) / 2) ** 2).sum(1).mean() for sign in (1.0, -1.0))
        return float(np.sqrt(kept / self._symmetric + broken / (1 - self._symmetric)))
