"""The statuses of frames, classes and points of the plane, as the tables and stores write them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# frames
USED, UNANNOTATED, QUARANTINED = "used", "unannotated", "quarantined"
FLAGGED, UNREGISTERED = "flagged", "unregistered"
FRAME_STATUSES = (USED, UNANNOTATED, QUARANTINED, FLAGGED, UNREGISTERED)

# classes
OK, INSUFFICIENT, EMPTY = "ok", "insufficient", "empty"
CLASS_STATUSES = (OK, INSUFFICIENT, EMPTY)

# points of the plane, and classes of the atlas
INTERPOLATED, EXTRAPOLATED = "interpolated", "extrapolated"
STATUSES = [EMPTY, INSUFFICIENT, OK, INTERPOLATED]


def decode_statuses(codes: NDArray[np.uint8], statuses: Sequence[str]) -> NDArray[np.str_]:
    """Statuses (C,) of an atlas's classes.

    Parameters
    ----------
    codes : (C,), the store's array `status`
    statuses : the store's attribute `statuses`, which the codes count
    """
    return np.array(statuses)[codes]
