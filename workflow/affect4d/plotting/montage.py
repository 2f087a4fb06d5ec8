"""Contact sheets: pictures in rows, such as neutral above synthesized (the paper's Figs. 4, 5)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.util import montage

from affect4d.formats.images import encode_jpeg

_GAP_PX = 4  # white pixels to the right of and below each picture
_JPEG_QUALITY = 90  # of 100; shaded faces show no blocks at it
_WHITE = (255, 255, 255)  # RGB, the page's ground


def contact_sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> bytes:
    """Pictures in rows; JPEG bytes, of one white pixel where there are none.

    Parameters
    ----------
    rows : equally long rows of pictures (H, W, 3) of equal size; empty ones are left out
    """
    rows = [row for row in rows if row] or [[np.full((1, 1, 3), 255, np.uint8)]]
    sheet = montage(
        np.concatenate(rows),
        fill=_WHITE,
        grid_shape=(len(rows), len(rows[0])),
        padding_width=_GAP_PX,
        channel_axis=-1,
    )
    return encode_jpeg(sheet[_GAP_PX:, _GAP_PX:], _JPEG_QUALITY)
