"""From what files hold (points, polygons, texture coordinates a corner) to a triangle mesh."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect4d.quarantine import BadInput

LARGEST_MESH = 256 << 20  # bytes; the largest face scans known take 40 MB as text
LARGEST_COUNT = 5_000_000  # vertices, or triangles
FARTHEST_MM = 1e7  # from the origin, in any unit; what is beyond is a mistake and overflows float32


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) float32 mm; triangles (F, 3) int32; uv (V, 2) float32 (v up) or None."""

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray | None = None
    texture: Path | None = None


def check_mesh(mesh, file):
    """`mesh`, where it can be used; BadInput that names `file` otherwise."""
    if len(mesh.vertices) < 3 or len(mesh.triangles) < 1:
        raise BadInput(file, "the mesh has no triangles (truncated?)", "export the scan again")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(file, "a vertex is not a finite number", "clean the scan of NaN vertices")
    if np.abs(mesh.vertices).max() > FARTHEST_MM:
        raise BadInput(file, "a vertex lies more than 10 km from the origin", "remove it")
    if mesh.uv is not None and not np.isfinite(mesh.uv).all():
        raise BadInput(file, "a texture coordinate is not a finite number", "export it again")
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.vertices):
        raise BadInput(
            file, "a triangle names a vertex that does not exist (truncated?)", "export it again"
        )
    return mesh


def check_count(count, what):
    """`count` where a scan can hold as many; ValueError otherwise, before anything is allocated."""
    if not 0 <= count <= LARGEST_COUNT:
        raise ValueError(f"{count} {what}: at most {LARGEST_COUNT} can be read")
    return count


def from_polygons(points, sizes, corners, corner_uv=None, texture=None):
    """A mesh of polygons' triangle fans.

    Parameters
    ----------
    points : (V, 3) float32, mm
    sizes : (P,) int, corners of each polygon; those of fewer than three are no surface
    corners : (C,) int, the point of each corner, polygon after polygon
    corner_uv : (C, 2) float32, optional
        A vertex whose corners have several is split: the first stays in its place, the others
        are appended, at the bit-identical position.
    texture : Path, optional

    Raises
    ------
    ValueError
        A corner names a point that does not exist, or there are too many triangles.
    """
    fan = _fan(sizes)
    triangles = corners if fan is None else corners[fan]
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(points)):
        raise ValueError("a polygon names a vertex that does not exist (truncated?)")
    triangles = triangles.astype(np.int32).reshape(-1, 3)
    if corner_uv is None:
        return Mesh(points, triangles, None, texture)
    uv = corner_uv if fan is None else corner_uv[fan]
    points, triangles, uv = _split_at_seams(points, triangles, uv)
    return Mesh(points, triangles, uv, texture)


def _fan(sizes):
    """(3F,) indices into the polygons' corners; None where all are triangles as they stand."""
    sizes = np.asarray(sizes, dtype=np.int64)
    if (sizes == 3).all():
        check_count(len(sizes), "triangles")
        return None
    counts = np.maximum(sizes - 2, 0)
    check_count(int(counts.sum()), "triangles")
    first = np.repeat(np.cumsum(sizes) - sizes, counts)
    step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([first, first + step + 1, first + step + 2], axis=1).ravel()


def _split_at_seams(points, triangles, uv):
    """(points, triangles, uv of each point) with points appended where one had several uv."""
    corners = triangles.ravel().copy()
    own = np.zeros((len(points), 2), dtype=np.float32)
    own[corners[::-1]] = uv[::-1]  # the last assignment stays: each point's first corner
    apart = np.flatnonzero((own[corners] != uv).any(axis=1))
    if not len(apart):
        return points, triangles, own
    bits = np.ascontiguousarray(uv[apart]).view(np.int32)
    order = np.lexsort((bits[:, 1], bits[:, 0], corners[apart]))
    keys = np.column_stack([corners[apart], bits])[order]
    starts = np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)]
    split = order[starts]
    appended = apart[split]
    old = corners[appended]
    corners[apart[order]] = len(points) + np.cumsum(starts) - 1
    return (
        np.concatenate([points, points[old]]),
        corners.reshape(-1, 3),
        np.concatenate([own, uv[appended]]),
    )
