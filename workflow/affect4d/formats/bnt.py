"""BNT of the Bosphorus database: a grid of 3D points as the scanner saw them.

Layout, little-endian: rows u16, columns u16, background f64, length u16 and name of the image,
count u32 (five times rows times columns), then x, y, z, u, v as f64, one after another.
"""

import struct
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content
from affect4d.formats.paths import find_beside, inside
from affect4d.formats.polygons import MAX_DISTANCE_MM, MAX_MESH_BYTES, Mesh, move_near
from affect4d.formats.triangulation import check_count

_MAX_EDGE = 8.0  # times the grid's median: a slope of 83 degrees; beyond, a depth jump
_UV_TOLERANCE = 0.01  # outside [0, 1], as at the outer edges of a texture's pixels
_HEADER_BYTES = 14  # before the image's name

Triangles: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float32]
Grid: TypeAlias = tuple[int, int, float, NDArray[np.float64]]


def read_bnt(path: Path) -> Mesh:
    """Mesh of the grid's valid points, without the triangles that bridge jumps in depth.

    The texture is the .png of the same name. The direction of `v` is not documented: in the mesh it
    increases upwards.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        It cannot be read.
    """
    content = read_content(path, MAX_MESH_BYTES, "mesh")
    rows, columns, background, values = _read_grid(content)
    points = values[:3].T
    with np.errstate(invalid="ignore"):
        valid = (np.abs(points) < MAX_DISTANCE_MM).all(axis=1) & (values[2] != background)
    corners = _without_jumps(points, _triangulate(rows, columns, valid))
    used, inverse = np.unique(corners, return_inverse=True)
    triangles = inverse.reshape(-1, 3).astype(np.int32)
    vertices, origin = move_near(points[used], triangles)
    return Mesh(
        vertices,
        _facing_the_scanner(vertices, triangles),
        _texture_coordinates(values[3:, used], vertices),
        find_bnt_texture(path),
        origin=origin,
    )


def find_bnt_texture(path: Path) -> Path | None:
    """The texture that `read_bnt` gives."""
    found = find_beside(path, [".png"])
    return None if found is None else inside(path.parent, found.name)


def _read_grid(content: bytes) -> Grid:
    """(rows, columns, depth of the background, (5, rows * columns) values)."""
    try:
        rows, columns, background, length = struct.unpack_from("<HHdH", content)
        (count,) = struct.unpack_from("<I", content, _HEADER_BYTES + length)
    except struct.error:
        raise ValueError("truncated: shorter than its header") from None
    if count != 5 * rows * columns:
        raise ValueError(f"{count} values announced for {rows} rows of {columns} points")
    check_count(rows * columns, "points")
    start = _HEADER_BYTES + length + 4
    if len(content) < start + 8 * count:
        raise ValueError("truncated: fewer bytes than the header announces")
    values = np.frombuffer(content, "<f8", count, start).reshape(5, -1)
    return rows, columns, background, values


def _triangulate(rows: int, columns: int, valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(F, 3) point indices: two triangles per square of the grid, where all corners are valid."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    return np.asarray(triangles[valid[triangles].all(axis=1)])


def _without_jumps(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(triangles):
        return triangles
    corners = points[triangles]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    return np.asarray(triangles[edges.max(axis=1) <= _MAX_EDGE * np.median(edges)])


def _facing_the_scanner(vertices: Floats, triangles: Triangles) -> Triangles:
    """Triangles whose normals point along +z, to the scanner."""
    a, b, c = (vertices[triangles[:, corner], :2] for corner in range(3))
    (abx, aby), (acx, acy) = (b - a).T, (c - a).T
    return triangles if (abx * acy - aby * acx).sum() >= 0 else triangles[:, ::-1].copy()


def _texture_coordinates(uv: NDArray[np.float64], vertices: Floats) -> Floats | None:
    if not len(vertices) or not ((uv > -_UV_TOLERANCE) & (uv < 1 + _UV_TOLERANCE)).all():
        return None
    u, v = uv.astype(np.float32)
    is_upward = ((v - v.mean()) * (vertices[:, 1] - vertices[:, 1].mean())).sum() >= 0
    return np.stack([u, v if is_upward else 1 - v], axis=1)
