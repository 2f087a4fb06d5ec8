"""A path through the plane as an animated picture: the face, and where in the plane it is."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK
from affect4d.plotting.faces import PORTRAIT, face_picture

RADIUS = 0.6
CORNERS = 73  # of the circle
FRAME_MS = 80
DOT = 7  # pixels
INK = "#b3261e"
STYLES: dict[str, dict[str, Any]] = {
    OK: {"color": "#4878a8", "linestyle": "-"},
    INTERPOLATED: {"color": "#4878a8", "linestyle": (0, (2, 1.2))},
    EXTRAPOLATED: {"color": "#8a6d1a", "linestyle": (0, (0.8, 1.2))},
}
_QUALITY = 85


def circle(radius=RADIUS):
    """Corners (N, 2) of a path from rest around all four quadrants and back to rest."""
    angle = np.linspace(0, 2 * np.pi, CORNERS)
    around = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([np.zeros((1, 2)), around, np.zeros((1, 2))])


def animate(template, trajectory, medians):
    """The trajectory's faces, beside its places in the plane; repeats for ever.

    The line's style, and a ring in place of a dot, say where no class's own frames are behind a
    face. A last frame that is the first again is left out.

    Parameters
    ----------
    template : Template
    trajectory : Trajectory
    medians : (C, 2), valence and arousal of the classes that it mixes

    Returns
    -------
    WebP bytes
    """
    count = len(trajectory.points)
    if np.array_equal(trajectory.points[0], trajectory.points[-1]):
        count -= 1
    plane, pixels = _plane(trajectory, medians)
    pictures = []
    for frame, (x, y) in enumerate(pixels[:count]):
        face = face_picture(template, trajectory.deformations[frame])
        marked = Image.fromarray(plane)
        fill = INK if trajectory.support_status[frame] == OK else None
        around = (x - DOT, y - DOT, x + DOT, y + DOT)
        ImageDraw.Draw(marked).ellipse(around, fill=fill, outline=INK, width=2)
        pictures.append(Image.fromarray(np.concatenate([face, np.asarray(marked)], axis=1)))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=FRAME_MS,
        loop=0,
        quality=_QUALITY,
        kmax=1,  # every frame whole: the encoder lets small changes between frames go
    )
    return buffer.getvalue()


def _plane(trajectory, medians):
    """A picture (H, H, 3) uint8 of the plane with the path on it, and the path's pixels (T, 2)."""
    side = PORTRAIT[0]
    figure = Figure(figsize=(side / 100, side / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.19, 0.17, 0.77, 0.77))
    axes.scatter(medians[:, 0], medians[:, 1], s=6, color="0.6", linewidths=0)
    for status, style in STYLES.items():
        own = trajectory.support_status == status
        # A stretch has the style of the frame at which it starts.
        line = np.ma.masked_where(~(own | np.roll(own, 1))[:, None].repeat(2, 1), trajectory.labels)
        if own.any():
            axes.plot(*line.T, linewidth=1.2, label=status, **style)
    if (trajectory.support_status != OK).any():
        axes.legend(loc="upper left", fontsize=6, frameon=False, handlelength=1.6, borderpad=0.1)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    axes.set_xlabel("valence", fontsize=8, labelpad=1)
    axes.set_ylabel("arousal", fontsize=8, labelpad=-2)
    axes.tick_params(labelsize=7)
    canvas.draw()
    pixels = axes.transData.transform(trajectory.labels)
    return np.asarray(canvas.buffer_rgba())[..., :3].copy(), [(x, side - 1 - y) for x, y in pixels]
