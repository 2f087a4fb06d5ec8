"""From points, polygons and texture coordinates per corner to a triangle mesh."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

MAX_MESH_BYTES = 256 << 20  # the largest face scans known take 40 MB as text
MAX_COUNT = 5_000_000  # vertices, or triangles: more than any face scan
MAX_DISTANCE_MM = 1e7  # from the origin, in any unit; more is a mistake, and squares lose float32

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Triangles: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A textured scan.

    Attributes
    ----------
    vertices : (V, 3) mm
    triangles : (F, 3) vertex indices
    uv : (V, 2) texture coordinates, v upwards
    texture : the image's file
    """

    vertices: Floats
    triangles: Triangles
    uv: Floats | None = None
    texture: Path | None = None


def check_mesh(mesh: Mesh, file: Path) -> Mesh:
    """The mesh, unchanged; BadInput that names `file` where it is invalid."""
    if len(mesh.vertices) < 3 or len(mesh.triangles) < 1:
        raise BadInput(file, "the mesh has no triangles (truncated?)", "export the scan again")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(file, "a vertex is not a finite number", "clean the scan of NaN vertices")
    if np.abs(mesh.vertices).max() > MAX_DISTANCE_MM:
        raise BadInput(file, "a vertex lies more than 10 km from the origin", "remove it")
    if mesh.uv is not None and not np.isfinite(mesh.uv).all():
        raise BadInput(file, "a texture coordinate is not a finite number", "export it again")
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.vertices):
        raise BadInput(
            file, "a triangle names a vertex that does not exist (truncated?)", "export it again"
        )
    return mesh


def check_count(count: int, what: str) -> int:
    """The count, unchanged; ValueError, before anything is allocated, where it is too large."""
    if not 0 <= count <= MAX_COUNT:
        raise ValueError(f"{count} {what}: at most {MAX_COUNT} can be read")
    return count


def from_polygons(
    points: Floats,
    sizes: NDArray[np.integer],
    corners: NDArray[np.integer],
    *,
    corner_uv: Floats | None = None,
    texture: Path | None = None,
) -> Mesh:
    """A mesh of polygons' triangle fans.

    Parameters
    ----------
    points : (V, 3) mm
    sizes : (P,) corners of each polygon; those of fewer than three are ignored
    corners : (C,) the point of each corner, polygon after polygon
    corner_uv : (C, 2)
        A vertex whose corners have several is split: the first keeps its index, the others are
        appended, at the bit-identical position.
    texture : the image's file

    Raises
    ------
    ValueError
        A corner names a point that does not exist, or there are too many triangles.
    """
    fan = _fan(sizes)
    indices = corners if fan is None else corners[fan]
    if len(indices) and (indices.min() < 0 or indices.max() >= len(points)):
        raise ValueError("a polygon names a vertex that does not exist (truncated?)")
    triangles = indices.astype(np.int32).reshape(-1, 3)
    if corner_uv is None:
        return Mesh(points, triangles, None, texture)
    uv = corner_uv if fan is None else corner_uv[fan]
    points, triangles, uv = _split_at_seams(points, triangles, uv)
    return Mesh(points, triangles, uv, texture)


def _fan(polygon_sizes: NDArray[np.integer]) -> Integers | None:
    """(3F,) indices into the polygons' corners; None where all polygons are triangles."""
    sizes = np.asarray(polygon_sizes, dtype=np.int64)
    if (sizes == 3).all():
        check_count(len(sizes), "triangles")
        return None
    counts = np.maximum(sizes - 2, 0)
    check_count(int(counts.sum()), "triangles")
    first = np.repeat(np.cumsum(sizes) - sizes, counts)
    step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([first, first + step + 1, first + step + 2], axis=1).ravel()


def _split_at_seams(
    points: Floats, triangles: Triangles, uv: Floats
) -> tuple[Floats, Triangles, Floats]:
    """(points, triangles, uv of each point) with points appended where one had several uv."""
    corners = triangles.ravel().copy()
    point_uv = np.zeros((len(points), 2), dtype=np.float32)
    point_uv[corners[::-1]] = uv[::-1]  # the last assignment counts: each point's first corner
    differing = np.flatnonzero((point_uv[corners] != uv).any(axis=1))
    if not len(differing):
        return points, triangles, point_uv
    bits = np.ascontiguousarray(uv[differing]).view(np.int32)
    order = np.lexsort((bits[:, 1], bits[:, 0], corners[differing]))
    keys = np.column_stack([corners[differing], bits])[order]
    starts = np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]
    appended = differing[order[starts]]
    original = corners[appended]
    corners[differing[order]] = len(points) + np.cumsum(starts) - 1
    return (
        np.concatenate([points, points[original]]),
        corners.reshape(-1, 3),
        np.concatenate([point_uv, uv[appended]]),
    )
