"""The skin of a registered frame: its scan's texture in the template's texture coordinates.

A registered face has the template's topology and no texture of its own. The template's texture
coordinates are those of the cylinder on which registration unwraps it. Every pixel of that plane is
a point of the registered face, and has the colour of the scan's point nearest to it.
"""

from pathlib import Path
from typing import NamedTuple

import igl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from affect4d.formats.images import read_image
from affect4d.formats.paths import inside
from affect4d.geometry.raster import Raster, interpolate, rasterise
from affect4d.geometry.similarity import fit_similarity
from affect4d.quarantine import BadInput
from affect4d.registration.cylinder import Cylinder
from affect4d.registration.posed_scan import read_posed_scan
from affect4d.registration.reference import fit_cylinder
from affect4d.registration.registrar import Registrar
from affect4d.registration.track import Texture
from affect4d.template.template import Template

_RESOLUTION = 3.0  # pixels per mm: a third of a millimetre, some 1,000 pixels across a face
# Registered skin lies on the scan, up to the smoothing; what is farther away is not the same skin.
_MAX_AWAY_MM = 3.0
# The landmarks' pose is some tenths of a millimetre off: so many steps to the nearest points.
_POSE_STEPS = 5
_SEEN = 0.5  # a pixel counts as seen where more than half of its triangle's corners are


class Skin(NamedTuple):
    """A texture of the template.

    Attributes
    ----------
    uv : (V, 2), v upwards
    image : (H, W, 3) RGB
    """

    uv: NDArray[np.float32]
    image: NDArray[np.uint8]


def draw_skin(
    row: pd.Series,
    scans: Path,
    registrar: Registrar,
    *,
    registered: NDArray[np.float32],
    seen: NDArray[np.bool_],
) -> Skin:
    """The texture of a frame's scan, drawn on the template's cylinder.

    Where the scan showed nothing the nearest colour goes on.

    Parameters
    ----------
    row : of the table of scans, with a texture
    scans : folder that the row's files are relative to
    registrar : the build's own
    registered : (V, 3) mm
    seen : (V,), the vertices that the scan showed

    Raises
    ------
    BadInput
        A file of the scan cannot be used.
    """
    mesh, posed = read_posed_scan(row, scans, registrar, registered=registered)
    if mesh.uv is None:
        raise BadInput(row["mesh"], "the mesh has no texture coordinates", "export them as well")
    texture = Texture(
        read_image(inside(scans, row["texture"]), is_texture=True), mesh.uv, mesh.repeats
    )
    posed = _onto(posed, mesh.triangles, registered[seen])
    cylinder = fit_cylinder(registrar.template, _RESOLUTION)
    uv, raster = _unwrapped(registrar.template, cylinder)
    values = np.hstack([registered, seen[:, None]]).astype(np.float32)
    drawn = raster.triangle_id >= 0
    pixels = interpolate(values, registrar.template.triangles, raster)[drawn]
    away, triangle, nearest = _nearest(pixels[:, :3], posed, mesh.triangles)
    colours = texture.colours(mesh.triangles, triangle, nearest)
    image = np.zeros((*drawn.shape, 3), np.float32)
    image[drawn] = colours
    known = drawn.copy()
    known[drawn] = (pixels[:, 3] > _SEEN) & (away < _MAX_AWAY_MM)
    if not known.any():
        raise BadInput(row["mesh"], "the scan shows nothing of the face", "export another frame")
    return Skin(uv, _continued(image, known).round().astype(np.uint8))


def _onto(
    posed: NDArray[np.float64], triangles: NDArray[np.int32], skin: NDArray[np.float32]
) -> NDArray[np.float64]:
    """A scan (N, 3) mm moved rigidly so that its surface comes to lie on registered skin (M, 3)."""
    for _ in range(_POSE_STEPS):
        away, triangle, weights = _nearest(skin, posed, triangles)
        near = away < _MAX_AWAY_MM
        if near.sum() < 3:
            return posed
        points = (posed[triangles[triangle]] * weights[:, :, None]).sum(axis=1)
        posed = fit_similarity(points[near], skin[near], scale=False).apply(posed)
    return posed


def _nearest(
    points: NDArray[np.float32], vertices: NDArray[np.float64], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float32]]:
    """Distances (M,) mm of points from a surface; triangles (M,) and weights (M, 3) there."""
    corners = triangles.astype(np.int64)
    squares, triangle, nearest = igl.point_mesh_squared_distance(
        points.astype(np.float64), vertices, corners
    )
    a, b, c = (np.ascontiguousarray(vertices[corners[triangle, k]]) for k in range(3))
    weights = igl.barycentric_coordinates(nearest, a, b, c)
    weights[~np.isfinite(weights).all(axis=1)] = (1, 0, 0)  # of a triangle without an area
    return np.sqrt(squares), triangle.astype(np.int32), weights.astype(np.float32)


def _unwrapped(template: Template, cylinder: Cylinder) -> tuple[NDArray[np.float32], Raster]:
    """The template's texture coordinates (V, 2), v upwards, and its picture on the cylinder.

    Triangles across the seam behind the head are not drawn.
    """
    height, width = cylinder.shape
    plane, depth = cylinder.unwrap(template.vertices)
    xy = cylinder.pixels(plane)
    uv = np.stack([(xy[:, 0] + 0.5) / width, 1 - (xy[:, 1] + 0.5) / height], axis=1)
    keep = np.ptp(plane[template.triangles, 0], axis=1) < np.pi * cylinder.radius
    raster = rasterise(xy, depth, template.triangles, shape=(height, width), keep=keep)
    return uv.astype(np.float32), raster


def _continued(image: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """An image (H, W, 3) whose other pixels have the colour of the nearest known (H, W) one."""
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    continued: NDArray[np.float32] = image[rows, columns]
    return continued
