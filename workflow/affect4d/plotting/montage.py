"""Pictures of the report, as PNG or JPEG bytes: neutral against synthesized (the paper's Figs. 4
and 5), raw scans against registered meshes."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d.formats.images import encode_jpeg
from affect4d.plotting.faces import png


def contact_sheet(rows, gap=4):
    """Pictures in rows, every row as tall as its first picture; JPEG bytes.

    Parameters
    ----------
    rows : list of lists of (H, W, 3) uint8 pictures of equal size; empty ones are left out
    gap : int, white pixels between pictures
    """
    rows = [row for row in rows if row] or [[np.full((1, 1, 3), 255, dtype=np.uint8)]]
    width = max(sum(p.shape[1] + gap for p in row) for row in rows)
    height = sum(row[0].shape[0] + gap for row in rows)
    sheet = np.full((height, width, 3), 255, dtype=np.uint8)
    top = 0
    for row in rows:
        left = 0
        for picture in row:
            h, w = picture.shape[:2]
            sheet[top : top + h, left : left + w] = picture
            left += w + gap
        top += row[0].shape[0] + gap
    return encode_jpeg(sheet, 90)


def bars(names, values, label):
    """Horizontal bars; PNG bytes."""
    figure = Figure(figsize=(7.5, 0.6 + 0.27 * len(names)), dpi=110, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    axes.barh(names, values, color="#4878a8")
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)
