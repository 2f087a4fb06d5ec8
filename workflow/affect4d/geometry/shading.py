"""Shaded pictures of meshes, for figures and reviews."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals

# Light as chosen by eye, in factors of the albedo: a key light from the upper right, a fill light
# from the left (their shares), and ambient light.
_LIGHTS = np.array([[0.35, 0.45, 0.85], [-0.6, 0.2, 0.6]])
_STRENGTHS = np.array([0.72, 0.28])
_AMBIENT, _DIFFUSE = 0.18, 0.92
CLAY = np.array([205, 190, 178], dtype=np.float32)  # 0 to 255
_BACKGROUND = 255.0
_MARGIN = 1.03  # half the picture's height, in units of the mesh's half extent


def render(
    vertices: NDArray[np.floating[Any]],
    triangles: NDArray[np.integer[Any]],
    *,
    shape: tuple[int, int],
    colours: NDArray[np.floating[Any]] | None = None,
    view: ArrayLike | None = None,
    frame: tuple[ArrayLike, float] | None = None,
    supersample: int = 2,
) -> NDArray[np.uint8]:
    """An orthographic, shaded picture of a mesh on white.

    Parameters
    ----------
    vertices : (V, 3), mm; the viewer looks along -z, y is up
    triangles : (F, 3)
    shape : height and width, pixels
    colours : (V, 3), 0 to 255: albedo at the vertices; clay when absent
    view : (3, 3), rotation applied before drawing
    frame : centre (3,) and half the height, mm
        Fixes the framing, so that pictures compare; by default the mesh fills the picture.
    supersample : samples per pixel along each axis

    Returns
    -------
    (H, W, 3) RGB
    """
    height, width = shape
    points = np.asarray(vertices, dtype=np.float64)
    if view is not None:
        points = points @ np.asarray(view).T
    if frame is None:
        low, high = points.min(0), points.max(0)
        centre, half = (
            (low + high) / 2,
            _MARGIN * max((high - low)[1] / 2, (high - low)[0] / 2 * height / width),
        )
    else:
        centre, half = np.asarray(frame[0], float), float(frame[1])
        if view is not None:
            centre = np.asarray(view) @ centre
    rows, columns = height * supersample, width * supersample
    factor = rows / 2 / half
    xy = np.stack(
        [
            (points[:, 0] - centre[0]) * factor + (columns - 1) / 2,
            (rows - 1) / 2 - (points[:, 1] - centre[1]) * factor,
        ],
        axis=1,
    )
    raster = rasterise(xy, points[:, 2], triangles, shape=(rows, columns))
    normals = interpolate(vertex_normals(points, triangles), triangles, raster)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    lights = _LIGHTS / np.linalg.norm(_LIGHTS, axis=1, keepdims=True)
    light = _AMBIENT + _DIFFUSE * np.clip(normals @ lights.T, 0, None) @ _STRENGTHS
    albedo = CLAY if colours is None else interpolate(colours, triangles, raster)
    drawn = raster.triangle_id >= 0
    fine = np.where(drawn[..., None], albedo * light[..., None], _BACKGROUND).astype(np.float32)
    picture = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
