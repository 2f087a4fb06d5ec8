"""Shaded pictures of meshes, for figures and for people to look at."""

import cv2
import numpy as np

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals

_LIGHTS = np.array([[0.35, 0.45, 0.85], [-0.6, 0.2, 0.6]])
_STRENGTHS = np.array([0.72, 0.28])
CLAY = np.array([205, 190, 178], dtype=np.float32)


def render(vertices, triangles, height, width, colours=None, view=None, frame=None, supersample=2):
    """An orthographic, shaded picture of a mesh on white.

    Parameters
    ----------
    vertices : (V, 3) array, mm
        The viewer looks along -z; y is up.
    triangles : (F, 3) int array
    height, width : int, pixels
    colours : (V, 3) array, 0..255, optional
        Albedo at the vertices; clay when absent.
    view : (3, 3) array, optional
        Rotation applied before drawing.
    frame : (centre (3,), half_height_mm), optional
        Fixes the framing, so that pictures compare; by default the mesh fills the picture.
    supersample : int
        Samples a pixel along each axis.

    Returns
    -------
    (height, width, 3) uint8 RGB
    """
    vertices = np.asarray(vertices, dtype=np.float64)
    if view is not None:
        vertices = vertices @ np.asarray(view).T
    if frame is None:
        low, high = vertices.min(0), vertices.max(0)
        centre, half = (
            (low + high) / 2,
            1.03 * max((high - low)[1] / 2, (high - low)[0] / 2 * height / width),
        )
    else:
        centre, half = np.asarray(frame[0], float), float(frame[1])
        if view is not None:
            centre = np.asarray(view) @ centre
    rows, columns = height * supersample, width * supersample
    factor = rows / 2 / half
    xy = np.stack(
        [
            (vertices[:, 0] - centre[0]) * factor + (columns - 1) / 2,
            (rows - 1) / 2 - (vertices[:, 1] - centre[1]) * factor,
        ],
        axis=1,
    )
    ids, weights = rasterise(xy, vertices[:, 2], triangles, rows, columns)
    normals = interpolate(ids, weights, triangles, vertex_normals(vertices, triangles))
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    lights = _LIGHTS / np.linalg.norm(_LIGHTS, axis=1, keepdims=True)
    light = 0.18 + 0.92 * np.clip(normals @ lights.T, 0, None) @ _STRENGTHS
    albedo = CLAY if colours is None else interpolate(ids, weights, triangles, colours)
    picture = np.where((ids >= 0)[..., None], albedo * light[..., None], 255.0)
    picture = cv2.resize(picture.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
