"""The two-dimensional histogram of annotations (paper, Fig. 3, right)."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from affect4d.affectspace.classes import OK


def draw_histogram(path, classes, grid):
    """Draw the classes' counts over the plane.

    Parameters
    ----------
    path : path of the PNG
    classes : DataFrame
        As `summarise` returns it; counts of classes that are ok are set in bold.
    grid : Grid
    """
    counts = classes["count"].to_numpy().reshape(grid.n, grid.n)
    figure = Figure(figsize=(7.2, 6.2), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    image = axes.pcolormesh(
        grid.edges,
        grid.edges,
        np.ma.masked_equal(counts.T, 0),
        cmap="viridis",
        norm=LogNorm(1, max(counts.max(), 2)),
        edgecolors="white",
        linewidth=0.6,
    )
    bright = np.sqrt(max(counts.max(), 2))
    for count, row in zip(counts.flat, classes.itertuples(), strict=True):
        ok = row.status == OK
        axes.text(
            row.centre_valence,
            row.centre_arousal,
            str(count),
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold" if ok else "normal",
            color="0.6" if count == 0 else "black" if count > bright else "white",
        )
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set(
        xlabel="valence", ylabel="arousal", aspect="equal", xticks=grid.edges, yticks=grid.edges
    )
    axes.set_title(f"{counts.sum():,} annotated frames in {np.count_nonzero(counts)} classes")
    figure.colorbar(image, ax=axes, label="frames")
    figure.savefig(path, metadata={"Software": None})
