"""The correction by the skin's pattern, carried on to where the pattern says nothing.

A correction that ends with the skin that is followed tears the skin there. Where skin is compressed
to a line, as above brows that are raised far, the pattern is compressed as well, and its flow takes
the skin on one side over that of the other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.registration.fill import Filler
from affect4d.registration.scan import signed_area
from affect4d.template.template import Template

# A correction that turns triangles over is not believed there, nor on so many rings of triangles
# around; it is taken from beside, at most so often.
_RINGS, _MAX_ROUNDS = 2, 4


class Continuation:
    """The correction by the skin's pattern on one template.

    Parameters
    ----------
    template : the template
    filler : on it
    followed : (V,), vertices whose skin is followed
    extrapolated : (V,), vertices beyond the landmarks: only there is what is turned over corrected
        here (lips and lids end, and may cover one another)
    """

    def __init__(
        self,
        template: Template,
        filler: Filler,
        *,
        followed: NDArray[np.bool_],
        extrapolated: NDArray[np.bool_],
    ) -> None:
        self._triangles, self._filler, self._followed = template.triangles, filler, followed
        self._checked = template.triangles[(followed & extrapolated)[template.triangles].all(1)]

    def corrected(
        self, query: NDArray[np.floating[Any]], followed: NDArray[np.floating[Any]]
    ) -> NDArray[np.floating[Any]]:
        """Positions `query` (V, 2) px, y down, with the correction that leads to `followed` (V, 2),
        continued harmonically beyond the skin that is followed and where triangles turn over."""
        was_turned = signed_area(query, self._checked) >= 0
        known, step = self._followed, np.pad(followed - query, ((0, 0), (0, 1)))
        for _ in range(_MAX_ROUNDS):
            step = self._filler.fill(step, known)
            corrected = query + step[:, :2]
            turned = (signed_area(corrected, self._checked) >= 0) & ~was_turned
            if not turned.any():
                break
            known = known & ~self._around(self._checked[turned])
        return corrected

    def _around(self, triangles: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Vertices (V,) of triangles (n, 3) and of the rings around them."""
        near = np.zeros(len(self._followed), dtype=bool)
        near[triangles] = True
        for _ in range(_RINGS):
            near[self._triangles[near[self._triangles].any(1)]] = True
        return near
