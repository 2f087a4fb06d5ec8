"""The two-dimensional histogram of annotations (paper, Fig. 3, right)."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from affect4d.artifacts.statuses import EMPTY, INSUFFICIENT, OK

SIZE_INCHES = (7.2, 6.2)
PLANE_POINTS = 360  # side of the plane in such a figure
DIGIT_WIDTH = 0.62  # of a digit's height
SMALLEST, LARGEST = 5.0, 8.0  # readable sizes of numbers, points
MOST_TICKS = 11


def draw_histogram(path, classes, grid):
    """Draw the classes' counts over the plane.

    Numbers stand in the classes where all of them fit; those of classes that are ok are bold. Where
    they do not fit, a dot marks each class that is insufficient.

    Parameters
    ----------
    path : path of the PNG
    classes : DataFrame
        As `summarise` returns it.
    grid : Grid
    """
    counts = classes["count"].to_numpy().reshape(grid.n, grid.n)
    figure = Figure(figsize=SIZE_INCHES, dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    image = axes.pcolormesh(
        grid.edges,
        grid.edges,
        np.ma.masked_equal(counts.T, 0),
        cmap="viridis",
        norm=LogNorm(1, max(counts.max(), 2)),
        edgecolors="white",
        linewidth=min(0.6, 6 / grid.n),
    )
    size = number_size(grid.n, counts.max())
    if size is None:
        _mark_insufficient(axes, classes, grid.n)
    else:
        _write_numbers(axes, classes, size)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.axvline(0, color="0.3", linewidth=0.8)
    ticks = grid.edges if grid.n < MOST_TICKS else np.linspace(grid.low, grid.high, MOST_TICKS)
    axes.set(xlabel="valence", ylabel="arousal", aspect="equal", xticks=ticks, yticks=ticks)
    usable = np.count_nonzero(classes["status"] == OK)
    axes.set_title(
        f"{counts.sum():,} annotated frames in {np.count_nonzero(counts)} classes, {usable} usable"
    )
    figure.colorbar(image, ax=axes, label="frames")
    figure.savefig(path, metadata={"Software": None})


def number_size(n, largest):
    """Size in points at which the largest count fits a class of n x n; None if unreadable."""
    size = 0.9 * PLANE_POINTS / n / (DIGIT_WIDTH * len(str(largest)))
    return min(size, LARGEST) if size >= SMALLEST else None


def _write_numbers(axes, classes, size):
    bright = np.sqrt(max(classes["count"].max(), 2))
    for row in classes.itertuples():
        axes.text(
            row.centre_valence,
            row.centre_arousal,
            str(row.count),
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold" if row.status == OK else "normal",
            color="0.6" if row.status == EMPTY else "black" if row.count > bright else "white",
        )


def _mark_insufficient(axes, classes, n):
    few = classes[classes["status"] == INSUFFICIENT]
    axes.scatter(
        few["centre_valence"], few["centre_arousal"], s=(60 / n) ** 2, color="white", linewidths=0
    )
