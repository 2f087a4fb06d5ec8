"""Shaded pictures of deformed faces, all framed alike, and figures as PNG."""

import io

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from affect4d.geometry.shading import CLAY, render

FACE = (150, 126)  # rows and columns of one mean face, pixels
PORTRAIT = (300, 270)  # of a face shown by itself
FACE_FRAME = ((0.0, -8.0, 60.0), 88.0)  # mm about the template's face
MOUTH = np.array([[70.0, 35.0, 35.0]])
MOUTH_DEPTH_MM = 8.0
# From clay, the colour of what is at rest.
MOTION = LinearSegmentedColormap.from_list("motion", ["#cdbeb2", "#fccc59", "#ed6b26", "#a60d26"])


def face_picture(template, deformation, pixels=PORTRAIT, colours=None):
    """A shaded picture (H, W, 3) uint8 of the template, deformed; all are framed alike.

    Parameters
    ----------
    template : Template
    deformation : (V, 3), mm
    pixels : (height, width)
    colours : (V, 3), 0..255, optional
        Clay when absent.
    """
    face, lips = template.vertices + deformation, template.lips
    if colours is None:
        colours = np.tile(CLAY, (len(face), 1))
    if len(lips):  # what is seen between them is dark
        back = face[lips].mean(0) - [0, 0, MOUTH_DEPTH_MM]
        loop = len(face) + np.arange(len(lips))
        fan = np.stack([loop, np.roll(loop, -1), np.full_like(loop, loop[-1] + 1)], axis=1)
        face = np.concatenate([face, face[lips], back[None]])
        colours = np.concatenate([colours, np.repeat(MOUTH, len(lips) + 1, axis=0)])
        triangles = np.concatenate([template.triangles, fan])
    else:
        triangles = template.triangles
    height, width = pixels
    return render(face, triangles, height, width, colours=colours, frame=FACE_FRAME)


def motion_colours(lengths, most):
    """Colours (V, 3), 0..255, of motion (V,) mm: clay at rest, dark red from `most` mm on."""
    return 255 * MOTION(np.clip(lengths / most, 0, 1))[:, :3]


def png(figure):
    """A matplotlib figure as PNG bytes, the same every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
