"""Shaded pictures of deformed faces, all framed alike, and figures as PNG."""

import io

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from affect4d.geometry.shading import CLAY, render
from affect4d.template.template import Template

FACE = (150, 126)  # height and width of a mean face among many, px
PORTRAIT = (300, 270)  # height and width of a face shown by itself, px
FACE_FRAME = ((0.0, -8.0, 60.0), 88.0)  # centre and half height of the picture, mm: all of the face
MOUTH = np.array([[70.0, 35.0, 35.0]])  # RGB, 0..255: the dark inside of a mouth
MOUTH_DEPTH_MM = 8.0  # how far behind the lips the mouth's inside is drawn, so that they hide it
# From clay, the colour of what does not move.
MOTION = LinearSegmentedColormap.from_list("motion", ["#cdbeb2", "#fccc59", "#ed6b26", "#a60d26"])


def face_picture(
    template: Template,
    deformation: NDArray[np.floating] | float,
    *,
    pixels: tuple[int, int] = PORTRAIT,
    colours: NDArray[np.floating] | None = None,
) -> NDArray[np.uint8]:
    """A shaded picture (H, W, 3) of the template, deformed; all are framed alike.

    Parameters
    ----------
    template : the face at rest
    deformation : (V, 3), mm
    pixels : height and width
    colours : (V, 3), RGB, 0..255; clay when absent
    """
    face, lips = template.vertices + deformation, template.lips
    triangles = template.triangles
    if colours is None:
        colours = np.tile(CLAY, (len(face), 1))
    if len(lips):  # what is seen between them is dark
        back = face[lips].mean(0) - [0, 0, MOUTH_DEPTH_MM]
        loop = len(face) + np.arange(len(lips))
        fan = np.stack([loop, np.roll(loop, -1), np.full_like(loop, loop[-1] + 1)], axis=1)
        face = np.concatenate([face, face[lips], back[None]])
        colours = np.concatenate([colours, np.repeat(MOUTH, len(lips) + 1, axis=0)])
        triangles = np.concatenate([triangles, fan])
    height, width = pixels
    return render(face, triangles, shape=(height, width), colours=colours, frame=FACE_FRAME)


def motion_colours(lengths: NDArray[np.floating], max_mm: float) -> NDArray[np.float64]:
    """Colours (V, 3), 0..255, of motion (V,) mm: clay where still, dark red from `max_mm` on."""
    colours: NDArray[np.float64] = 255 * MOTION(np.clip(lengths / max_mm, 0, 1))[:, :3]
    return colours


def png(figure: Figure) -> bytes:
    """A figure as PNG, the same bytes every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
