"""BNT of the Bosphorus database: a grid of 3D points as the scanner saw them.

Layout, little-endian: rows u16, columns u16, background f64, length u16 and name of the image,
count u32 (five times rows times columns), then x, y, z, u, v as f64, one after another.
"""

import struct

import numpy as np

from affect4d.formats.content import read_content
from affect4d.formats.paths import inside
from affect4d.formats.polygons import FARTHEST_MM, LARGEST_MESH, Mesh, check_count

_LONGEST_EDGE = 8.0  # times the grid's median: a slope of 83 degrees; a depth jump beyond


def read_bnt(path):
    """Mesh of the grid's valid points, without the triangles that bridge jumps in depth.

    The texture is the .png beside it. Which way `v` runs is not documented: here it runs up, as
    the face does.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        It cannot be read.
    """
    content = read_content(path, LARGEST_MESH, "mesh")
    rows, columns, background, values = _read_grid(content)
    points = values[:3].T
    with np.errstate(invalid="ignore"):
        valid = (np.abs(points) < FARTHEST_MM).all(axis=1) & (values[2] != background)
    triangles = _triangulate(rows, columns, valid)
    triangles = _without_jumps(points, triangles)
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3).astype(np.int32)
    vertices = points[used].astype(np.float32)
    texture = inside(path.parent, f"{path.stem}.png")
    return Mesh(
        vertices,
        _facing_the_scanner(vertices, triangles),
        _texture_coordinates(values[3:, used], vertices),
        texture if texture.is_file() else None,
    )


def _read_grid(content):
    """(rows, columns, depth of the background, (5, rows * columns) values)."""
    try:
        rows, columns, background, length = struct.unpack_from("<HHdH", content)
        (count,) = struct.unpack_from("<I", content, 14 + length)
    except struct.error:
        raise ValueError("truncated: shorter than its header") from None
    if count != 5 * rows * columns:
        raise ValueError(f"{count} values announced for {rows} rows of {columns} points")
    check_count(rows * columns, "points")
    start = 18 + length
    if len(content) < start + 8 * count:
        raise ValueError("truncated: fewer bytes than the header announces")
    values = np.frombuffer(content, "<f8", count, start).reshape(5, -1)
    return rows, columns, background, values


def _triangulate(rows, columns, valid):
    """(F, 3) point indices: two triangles a square of the grid, where all corners are valid."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    return triangles[valid[triangles].all(axis=1)]


def _without_jumps(points, triangles):
    if not len(triangles):
        return triangles
    corners = points[triangles]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    return triangles[edges.max(axis=1) <= _LONGEST_EDGE * np.median(edges)]


def _facing_the_scanner(vertices, triangles):
    """Triangles whose normals look along +z, where the scanner stood."""
    a, b, c = (vertices[triangles[:, corner], :2] for corner in range(3))
    (abx, aby), (acx, acy) = (b - a).T, (c - a).T
    return triangles if (abx * acy - aby * acx).sum() >= 0 else triangles[:, ::-1].copy()


def _texture_coordinates(uv, vertices):
    if not len(vertices) or not ((uv > -0.01) & (uv < 1.01)).all():
        return None
    u, v = uv.astype(np.float32)
    is_upward = ((v - v.mean()) * (vertices[:, 1] - vertices[:, 1].mean())).sum() >= 0
    return np.stack([u, v if is_upward else 1 - v], axis=1)
