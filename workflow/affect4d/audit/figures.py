"""Pictures of the report, as PNG or JPEG bytes: the classes' mean faces (the paper's Fig. 3),
neutral against synthesized (Figs. 4 and 5), raw scans against registered meshes."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d.affectspace.classes import OK
from affect4d.formats.images import encode_jpeg
from affect4d.geometry.shading import render

FACE = (150, 126)  # rows and columns of one mean face, pixels
FACE_FRAME = ((0.0, -8.0, 60.0), 88.0)  # mm about the template's face


def mean_faces(template, means, classes, n):
    """The mean face of every class over the plane, on a ground that shows the class's count.

    Parameters
    ----------
    template : Template
    means : (n * n, V, 3), mm
    classes : DataFrame with class, count, status
    n : int, classes along an axis

    Returns
    -------
    PNG bytes
    """
    figure = Figure(figsize=(1.1 * n, 1.07 * n), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    table = classes.set_index("class").loc[range(n * n)]
    counts = table["count"].to_numpy()
    ground = np.log1p(counts.reshape(n, n).T)
    axes.imshow(
        ground, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmax=ground.max() * 1.6
    )
    width = 2.0 / n
    for index in range(n * n):
        if table["status"][index] != OK:
            continue
        face = render(template.vertices + means[index], template.triangles, *FACE, frame=FACE_FRAME)
        left, bottom = -1 + width * (index // n), -1 + width * (index % n)
        alpha = (face.min(axis=2, keepdims=True) < 250) * np.uint8(255)
        pad = width * 0.04
        axes.imshow(
            np.concatenate([face, alpha], axis=2),
            extent=(left + pad * 2, left + width - pad * 2, bottom + pad, bottom + width - pad),
            interpolation="antialiased",
        )
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="valence", ylabel="arousal")
    ticks = np.linspace(-1, 1, n + 1)
    axes.set_xticks(ticks), axes.set_yticks(ticks)
    axes.grid(color="white", linewidth=0.8)
    axes.set_axisbelow(False)
    return _png(figure)


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
    return _png(figure)


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
