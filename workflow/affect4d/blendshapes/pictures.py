"""Pictures of the classes' blendshapes: mean faces over the plane (the paper's Fig. 3, left),
components as colours on the face, convergence, support.

Shapes are shown on the template, to which the paper imposes them too.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from affect4d.artifacts.statuses import INTERPOLATED, OK
from affect4d.plotting.faces import (
    FACE,
    FACE_FRAME,
    MOTION,
    PORTRAIT,
    face_picture,
    motion_colours,
    png,
)

COMPONENTS_SHOWN = 5
GREY = "0.75"
STRONG = 0.99  # share of the moved vertices whose motion the colours tell apart


def mean_faces(template, atlas, counts):
    """The mean face of every class over the plane, on a ground that shows the class's count.

    An interpolated face is pale.

    Parameters
    ----------
    template : Template
    atlas : store.Store of `blendshapes/atlas.zarr`, of n * n classes
    counts : (n * n,) int, frames a class

    Returns
    -------
    PNG bytes
    """
    n = int(len(counts) ** 0.5)
    figure = Figure(figsize=(1.1 * n, 1.07 * n), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    ground = np.log1p(np.reshape(counts, (n, n)).T)
    most = max(ground.max(), 1) * 1.6
    axes.imshow(ground, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmin=0, vmax=most)
    width = 2.0 / n
    pad = width * 0.04
    for index, code in enumerate(atlas["status"][...]):
        status = atlas.attributes["statuses"][code]
        if status not in (OK, INTERPOLATED):
            continue
        face = face_picture(template, atlas["mean"][index], pixels=FACE)
        opaque = np.uint8(255 if status == OK else 110)
        alpha = (face.min(axis=2, keepdims=True) < 250) * opaque
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


def component_maps(template, models):
    """Each class's mean face, then its strongest components at full weight.

    Colour is the length of a component at each vertex; the face shows the mean and the component.

    Parameters
    ----------
    template : Template
    models : dict of name to ClassModel

    Returns
    -------
    PNG bytes
    """
    shown = {name: model.components[:COMPONENTS_SHOWN] for name, model in models.items()}
    lengths = {name: np.linalg.norm(own, axis=2) for name, own in shown.items()}
    most = max((_strong(length) for own in lengths.values() for length in own), default=1.0)
    rows, columns = len(models), COMPONENTS_SHOWN + 1
    figure = Figure(figsize=(1.62 * columns + 0.8, 2.25 * rows), dpi=120, layout="constrained")
    grid = FigureCanvasAgg(figure).figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, model) in zip(grid, models.items(), strict=True):
        line[0].imshow(face_picture(template, model.mean))
        line[0].set_title(name, fontsize=9)
        for number, length in enumerate(lengths[name]):
            colours = motion_colours(length, most)
            moved = model.mean + shown[name][number]
            line[number + 1].imshow(face_picture(template, moved, colours=colours))
            share = np.count_nonzero(length) / len(length)
            line[number + 1].set_title(f"{length.max():.1f} mm, {share:.1%}", fontsize=8)
    bar = ScalarMappable(Normalize(0, most), MOTION)
    figure.colorbar(bar, ax=grid, label="motion at full weight, mm", shrink=0.8, extend="max")
    return png(figure)


def _strong(length):
    """Motion, mm, that few of the vertices exceed which a component moves."""
    return np.quantile(length[length > 0], STRONG)


def convergence(objectives, shown):
    """The objective by iteration, over its last value: all classes in grey, some by name.

    Parameters
    ----------
    objectives : dict of name to (iterations,) mm^2
    shown : list of names drawn in colour

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


def support(template, shares, centres, lengths):
    """How many vertices components move, and where on the face they move most.

    Parameters
    ----------
    template : Template
    shares : (N,) share of the vertices that each of N components moves
    centres : (N,) int, vertex that it moves most
    lengths : (N,) mm, by how much at full weight

    Returns
    -------
    PNG bytes
    """
    figure = Figure(figsize=(9, 4.4), dpi=110, layout="constrained")
    left, right = FigureCanvasAgg(figure).figure.subplots(1, 2, width_ratios=[1.25, 1])
    left.hist(100 * np.asarray(shares), bins=30, color="#4878a8")
    left.set(xlabel="vertices that a component moves, %", ylabel="components")
    left.spines[["top", "right"]].set_visible(False)
    height, width = PORTRAIT
    (x, y, _), half = FACE_FRAME
    side = half * width / height
    right.imshow(
        face_picture(template, 0, pixels=(2 * height, 2 * width)),
        extent=(x - side, x + side, y - half, y + half),
    )
    place = template.vertices[centres]
    dots = right.scatter(
        place[:, 0], place[:, 1], s=9, c=lengths, cmap="viridis", linewidths=0, alpha=0.85, vmin=0
    )
    right.set(xlim=(x - side, x + side), ylim=(y - half, y + half))
    right.set_axis_off()
    figure.colorbar(dots, ax=right, label="largest motion at full weight, mm", shrink=0.8)
    return png(figure)
