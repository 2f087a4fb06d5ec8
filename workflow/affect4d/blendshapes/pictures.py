"""Pictures of the classes' blendshapes: mean faces over the plane (the paper's Fig. 3, left),
components as colours on the face, convergence, support.

Shapes are shown on the template, to which the paper imposes them too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.statuses import INTERPOLATED, OK, decode_statuses
from affect4d.blendshapes.model import ClassModel
from affect4d.plotting.faces import (
    FACE,
    FACE_FRAME,
    MOTION,
    PORTRAIT,
    face_picture,
    motion_colours,
    png,
)
from affect4d.template.template import Template

COMPONENTS_SHOWN = 5  # per class, those of most energy
GREY = "0.75"  # of what is not named
COLOUR_RANGE = 0.99  # share of the moved vertices whose motion the colours distinguish
PALE = 110  # opacity of an interpolated face, of 255
WHITE = 250  # grey level from which a pixel of a face's picture is background
COUNT_SHADE = 1.6  # darkest count's place on the scale of blues: faces stay visible on it
CLASS_MARGIN = 0.04  # around a face, of its class's width


@dataclass(frozen=True)
class Support:
    """Where N components move the face.

    Attributes
    ----------
    shares : (N,), of the vertices that each component moves
    vertices : (N,), vertex that it moves most
    lengths : (N,), motion of that vertex at full weight, mm
    """

    shares: NDArray[np.float64]
    vertices: NDArray[np.int64]
    lengths: NDArray[np.floating]


def draw_mean_faces(template: Template, atlas: store.Store, counts: NDArray[np.int64]) -> bytes:
    """The mean face of every class over the plane, on a background that shows the class's count.

    An interpolated face is pale.

    Parameters
    ----------
    template : on which the means are shown
    atlas : `blendshapes/atlas.zarr`, of n * n classes
    counts : (n * n,), frames per class

    Returns
    -------
    PNG bytes
    """
    n = int(len(counts) ** 0.5)
    figure = Figure(figsize=(1.1 * n, 1.07 * n), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    background = np.log1p(np.reshape(counts, (n, n)).T)
    darkest = max(background.max(), 1) * COUNT_SHADE
    extent = (-1, 1, -1, 1)
    axes.imshow(background, origin="lower", extent=extent, cmap="Blues", vmin=0, vmax=darkest)
    width = 2.0 / n
    pad = width * CLASS_MARGIN
    statuses = decode_statuses(atlas["status"][...], atlas.attributes["statuses"])
    for index, status in enumerate(statuses):
        if status not in (OK, INTERPOLATED):
            continue
        face = face_picture(template, atlas["mean"][index], pixels=FACE)
        opacity = np.uint8(255 if status == OK else PALE)
        alpha = (face.min(axis=2, keepdims=True) < WHITE) * opacity
        left, bottom = -1 + width * (index // n), -1 + width * (index % n)
        axes.imshow(
            np.concatenate([face, alpha], axis=2),
            extent=(left + pad * 2, left + width - pad * 2, bottom + pad, bottom + width - pad),
            interpolation="antialiased",
        )
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="valence", ylabel="arousal")
    ticks = np.linspace(-1, 1, min(n, 10) + 1)
    axes.set_xticks(ticks), axes.set_yticks(ticks)
    axes.grid(color="white", linewidth=0.8)
    axes.set_axisbelow(False)
    return png(figure)


def draw_components(template: Template, models: Mapping[str, ClassModel]) -> bytes:
    """Each class's mean face, then its strongest components at full weight.

    Colour is the length of a component at each vertex; the face shows the mean and the component.

    Parameters
    ----------
    template : on which they are shown
    models : by name

    Returns
    -------
    PNG bytes
    """
    shown = {name: model.components[:COMPONENTS_SHOWN] for name, model in models.items()}
    lengths = {name: np.linalg.norm(fields, axis=2) for name, fields in shown.items()}
    longest = max(
        (_colour_end(field) for fields in lengths.values() for field in fields), default=1.0
    )
    rows, columns = len(models), COMPONENTS_SHOWN + 1
    figure = Figure(figsize=(1.62 * columns + 0.8, 2.25 * rows), dpi=120, layout="constrained")
    grid = FigureCanvasAgg(figure).figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, model) in zip(grid, models.items(), strict=True):
        line[0].imshow(face_picture(template, model.mean))
        line[0].set_title(name, fontsize=9)
        for number, length in enumerate(lengths[name]):
            colours = motion_colours(length, longest)
            moved = model.mean + shown[name][number]
            line[number + 1].imshow(face_picture(template, moved, colours=colours))
            share = np.count_nonzero(length) / len(length)
            line[number + 1].set_title(f"{length.max():.1f} mm, {share:.1%}", fontsize=8)
    bar = ScalarMappable(Normalize(0, longest), MOTION)
    figure.colorbar(bar, ax=grid, label="motion at full weight, mm", shrink=0.8, extend="max")
    return png(figure)


def _colour_end(length: NDArray[np.floating]) -> float:
    """Motion, mm, that few of the vertices exceed which a component moves by lengths (V,)."""
    return float(np.quantile(length[length > 0], COLOUR_RANGE))


def draw_convergence(objectives: Mapping[str, NDArray[np.float64]], shown: list[str]) -> bytes:
    """The objective by iteration, over its last value: all classes in grey, some by name.

    Parameters
    ----------
    objectives : by name, (iterations,), mm^2
    shown : names drawn in colour

    Returns
    -------
    PNG bytes
    """
    figure = Figure(figsize=(7.5, 3.6), dpi=110, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    for name in [*shown, *(name for name in objectives if name not in shown)]:
        objective = objectives[name]
        rank = shown.index(name) if name in shown else None
        axes.plot(
            np.arange(1, len(objective) + 1),
            objective / objective[-1],
            color=GREY if rank is None else colormaps["tab10"](rank),
            linewidth=0.6 if rank is None else 1.6,
            zorder=1 if rank is None else 2,
            label=None if rank is None else f"{name}: {objective[-1]:.0f} mm²",
        )
    axes.set(xlabel="iteration", ylabel="objective / its last value", xlim=(1, None))
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        axes.legend(frameon=False, fontsize=8)
    return png(figure)


def draw_support(template: Template, support: Support) -> bytes:
    """How many vertices components move, and where on the face they move most.

    Parameters
    ----------
    template : on which they are shown
    support : of the components

    Returns
    -------
    PNG bytes
    """
    figure = Figure(figsize=(9, 4.4), dpi=110, layout="constrained")
    left, right = FigureCanvasAgg(figure).figure.subplots(1, 2, width_ratios=[1.25, 1])
    left.hist(100 * support.shares, bins=30, color="#4878a8")
    left.set(xlabel="vertices that a component moves, %", ylabel="components")
    left.spines[["top", "right"]].set_visible(False)
    height, width = PORTRAIT
    (x, y, _), half = FACE_FRAME
    side = half * width / height
    right.imshow(
        face_picture(template, 0, pixels=(2 * height, 2 * width)),
        extent=(x - side, x + side, y - half, y + half),
    )
    x_mm, y_mm, _ = template.vertices[support.vertices].T
    style = {"cmap": "viridis", "linewidths": 0, "alpha": 0.85, "vmin": 0}
    dots = right.scatter(x_mm, y_mm, s=9, c=support.lengths, **style)
    right.set(xlim=(x - side, x + side), ylim=(y - half, y + half))
    right.set_axis_off()
    figure.colorbar(dots, ax=right, label="largest motion at full weight, mm", shrink=0.8)
    return png(figure)
