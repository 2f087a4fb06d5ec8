"""From points, polygons and texture coordinates per corner to a triangle mesh."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

MAX_MESH_BYTES = 256 << 20  # the largest face scans known take 40 MB as text
MAX_DISTANCE_MM = 1e7  # from the origin, in any unit; more is a mistake, and squares lose float32

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Positions: TypeAlias = NDArray[np.float64]
Triangles: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A textured scan.

    Attributes
    ----------
    vertices : (V, 3) mm, from `origin`
    triangles : (F, 3) vertex indices
    uv : (V, 2) texture coordinates, v upwards
    texture : the image's file
    repeats : whether the texture repeats beyond [0, 1], across and upwards; else its edge does
    origin : (3,) mm
        Zero, but where the scan is so far from it that float32 would lose digits of the vertices.
    """

    vertices: Floats
    triangles: Triangles
    uv: Floats | None = None
    texture: Path | None = None
    repeats: tuple[bool, bool] = (True, True)
    origin: Positions = field(default_factory=lambda: np.zeros(3))

    @property
    def positions(self) -> Floats | Positions:
        """(V, 3) mm as the file has them; float64 where the origin is not zero."""
        return self.vertices + self.origin if self.origin.any() else self.vertices


def check_mesh(mesh: Mesh, file: Path) -> Mesh:
    """The mesh, unchanged; BadInput that names `file` where it is invalid."""
    if len(mesh.vertices) < 3 or len(mesh.triangles) < 1:
        raise BadInput(file, "the mesh has no triangles (truncated?)", "export the scan again")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(file, "a vertex is not a finite number", "clean the scan of NaN vertices")
    if np.abs(mesh.positions).max() > MAX_DISTANCE_MM:
        raise BadInput(file, "a vertex lies more than 10 km from the origin", "remove it")
    if mesh.uv is not None and not np.isfinite(mesh.uv).all():
        raise BadInput(file, "a texture coordinate is not a finite number", "export it again")
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.vertices):
        raise BadInput(
            file, "a triangle names a vertex that does not exist (truncated?)", "export it again"
        )
    return mesh


def from_polygons(
    points: Positions,
    sizes: NDArray[np.integer],
    corners: NDArray[np.integer],
    *,
    corner_uv: Floats | None = None,
) -> Mesh:
    """A mesh of polygons, triangulated as `triangulate` does.

    Parameters
    ----------
    points : (V, 3) mm
    sizes : (P,) corners of each polygon; those of fewer than three are ignored
    corners : (C,) the point of each corner, polygon after polygon
    corner_uv : (C, 2)
        A vertex whose corners have several is split: the first keeps its index, the others are
        appended, at the bit-identical position.

    Raises
    ------
    ValueError
        A corner names a point that does not exist, or there are too many triangles.
    """
    if len(corners) and (corners.min() < 0 or corners.max() >= len(points)):
        raise ValueError("a polygon names a vertex that does not exist (truncated?)")
    # not above: numba takes long to load, and whoever reads landmarks loads this module
    from affect4d.formats.triangulation import triangulate

    chosen = triangulate(points, sizes, corners)
    indices = corners if chosen is None else corners[chosen]
    triangles = indices.astype(np.int32).reshape(-1, 3)
    vertices, origin = move_near(points, triangles)
    if corner_uv is None:
        return Mesh(vertices, triangles, origin=origin)
    uv = corner_uv if chosen is None else corner_uv[chosen]
    vertices, triangles, uv = _split_at_seams(vertices, triangles, uv)
    return Mesh(vertices, triangles, uv, origin=origin)


def move_near(points: Positions, triangles: NDArray[np.integer]) -> tuple[Floats, Positions]:
    """Points (V, 3) mm as float32 from an origin (3,) mm, and that origin.

    It is zero unless the surface is farther from zero than it is large: then it is the middle of
    the surface, and float32 resolves its size, not its distance.
    """
    origin = np.zeros(3)
    used = np.zeros(len(points), dtype=np.bool_)
    used[triangles.ravel()] = True
    if used.any():
        low, high = points[used].min(axis=0), points[used].max(axis=0)
        middle = (low + high) / 2
        if np.abs(middle).max() > (high - low).max() and np.isfinite(middle).all():
            origin = middle
    with np.errstate(over="ignore", invalid="ignore"):
        return (points - origin).astype(np.float32), origin


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
