"""A path through the plane as an animated picture: the face, and its point in the plane."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK
from affect4d.blendshapes.path import Trajectory
from affect4d.plotting.faces import PORTRAIT, face_picture
from affect4d.template.template import Template

RADIUS = 0.6  # of the circle; the plane's half side is 1
CORNERS = 73  # of the circle: one every five degrees
FRAME_MS = 80  # shown for so long: 7.7 s for 96 frames
DOT = 7  # radius in the plane's picture, pixels
INK = "#b3261e"  # of the dot
# Of the path by support status.
STYLES: dict[str, dict[str, Any]] = {
    OK: {"color": "#4878a8", "linestyle": "-"},
    INTERPOLATED: {"color": "#4878a8", "linestyle": (0, (2, 1.2))},
    EXTRAPOLATED: {"color": "#8a6d1a", "linestyle": (0, (0.8, 1.2))},
}
_QUALITY = 85  # of WebP, of 100
_DPI = 100  # dots per inch, of the plane's picture


def circle(radius: float = RADIUS) -> NDArray[np.float64]:
    """Corners (N, 2) of a path from rest around all four quadrants and back to rest."""
    angle = np.linspace(0, 2 * np.pi, CORNERS)
    around = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([np.zeros((1, 2)), around, np.zeros((1, 2))])


def animate(template: Template, trajectory: Trajectory, medians: NDArray[np.float64]) -> bytes:
    """The trajectory's faces, beside its points in the plane; repeats without end.

    The line's style, and a ring in place of a dot, say where no class's own frames are behind a
    face. A last frame that equals the first is left out.

    Parameters
    ----------
    template : on which the deformations are shown
    trajectory : of the path
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
    first, *others = pictures
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=FRAME_MS,
        loop=0,
        quality=_QUALITY,
        kmax=1,  # every frame in full: the encoder drops small changes between frames
    )
    return buffer.getvalue()


def _plane(
    trajectory: Trajectory, medians: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], list[tuple[float, float]]]:
    """A picture (H, H, 3) of the plane with the path on it, and the path's pixels (x, y)."""
    side = PORTRAIT[0]
    figure = Figure(figsize=(side / _DPI, side / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.19, 0.17, 0.77, 0.77))
    axes.scatter(medians[:, 0], medians[:, 1], s=6, color="0.6", linewidths=0)
    for status, style in STYLES.items():
        has_status = trajectory.support_status == status
        # A segment has the style of the frame at which it starts.
        hidden = ~(has_status | np.roll(has_status, 1))[:, None].repeat(2, 1)
        line = np.ma.masked_where(hidden, trajectory.labels)
        if has_status.any():
            axes.plot(*line.T, linewidth=1.2, label=status, **style)
    if (trajectory.support_status != OK).any():
        axes.legend(loc="upper left", fontsize=6, frameon=False, handlelength=1.6, borderpad=0.1)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    axes.set_xlabel("valence", fontsize=8, labelpad=1)
    axes.set_ylabel("arousal", fontsize=8, labelpad=-2)
    axes.tick_params(labelsize=7)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = axes.transData.transform(trajectory.labels)
    picture = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return picture[..., :3].copy(), [(x, side - 1 - y) for x, y in pixels]
