"""The two-dimensional histogram of annotations (paper, Fig. 3, right)."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from affect4d.affectspace.grid import Grid
from affect4d.artifacts.statuses import EMPTY, INSUFFICIENT, OK

SIZE_INCHES, DPI = (7.2, 6.2), 120  # 864 x 744 pixels
PLANE_POINTS = 360  # side of the plane in such a figure
FILLED = 0.9  # share of a class's width that its number may take
DIGIT_WIDTH = 0.62  # of a digit's height
MIN_SIZE, MAX_SIZE = 5.0, 8.0  # readable sizes of numbers, points
MAX_TICKS = 11  # of an axis
GRID_WIDTH, GRID_WIDTH_BINS = 0.6, 6  # of the lines between classes, points; and their sum, at most
DOT_WIDTH = 60  # sum of the dots' diameters over the bins of an axis, points


def draw_histogram(path: Path, classes: pd.DataFrame, grid: Grid) -> None:
    """Draw the classes' counts over the plane.

    Classes show their numbers where all of them fit; those of classes that are ok are bold. Where
    they do not fit, a dot marks each class that is insufficient.

    Parameters
    ----------
    path : of the PNG
    classes : as `summarise` returns it
    grid : of the classes
    """
    counts = classes["count"].to_numpy().reshape(grid.n, grid.n)
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    image = axes.pcolormesh(
        grid.edges,
        grid.edges,
        np.ma.masked_equal(counts.T, 0),
        cmap="viridis",
        norm=LogNorm(1, max(counts.max(), 2)),
        edgecolors="white",
        linewidth=min(GRID_WIDTH, GRID_WIDTH_BINS / grid.n),
    )
    size = number_size(grid.n, counts.max())
    if size is None:
        _mark_insufficient(axes, classes, grid.n)
    else:
        _write_numbers(axes, classes, size)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.axvline(0, color="0.3", linewidth=0.8)
    ticks = grid.edges if grid.n < MAX_TICKS else np.linspace(grid.low, grid.high, MAX_TICKS)
    axes.set(xlabel="valence", ylabel="arousal", aspect="equal", xticks=ticks, yticks=ticks)
    usable = np.count_nonzero(classes["status"] == OK)
    axes.set_title(
        f"{counts.sum():,} annotated frames in {np.count_nonzero(counts)} classes, {usable} usable"
    )
    figure.colorbar(image, ax=axes, label="frames")
    figure.savefig(path, metadata={"Software": None})


def number_size(n: int, largest: int) -> float | None:
    """Size in points at which the largest count fits a class of n x n; None if unreadable."""
    size = FILLED * PLANE_POINTS / n / (DIGIT_WIDTH * len(str(largest)))
    return min(size, MAX_SIZE) if size >= MIN_SIZE else None


def _write_numbers(axes: Axes, classes: pd.DataFrame, size: float) -> None:
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


def _mark_insufficient(axes: Axes, classes: pd.DataFrame, n: int) -> None:
    insufficient = classes[classes["status"] == INSUFFICIENT]
    axes.scatter(
        insufficient["centre_valence"],
        insufficient["centre_arousal"],
        s=(DOT_WIDTH / n) ** 2,
        color="white",
        linewidths=0,
    )
