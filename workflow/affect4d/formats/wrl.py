"""WRL (VRML 2.0) as in BU-3DFE: IndexedFaceSets with texture coordinates and an image."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content
from affect4d.formats.numbers import to_integers
from affect4d.formats.paths import beside
from affect4d.formats.polygons import MAX_MESH_BYTES, Mesh, from_polygons
from affect4d.formats.vrml import Node, Numbers, read_scene
from affect4d.quarantine import BadInput

_MAX_NODES = 10_000  # visits: USE can double them at every level of the tree
_UNSUPPORTED = {
    "LOD": "levels of detail",
    "Switch": "alternatives",
    "Inline": "other files' scenes",
}
# Fields of a Transform that moves nothing.
_IDENTITY = {"translation": [0, 0, 0], "scale": [1, 1, 1]}

Floats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]
Faces: TypeAlias = tuple[Floats, Integers, Integers, Floats | None]


def read_wrl(path: Path) -> Mesh:
    """Mesh of all IndexedFaceSets of a scene; polygons become triangle fans.

    Raises
    ------
    ValueError
        The file is truncated, does not follow the format, or its scene is not one surface without
        transformation (Transform nodes that move it, levels of detail).
    BadInput
        It cannot be read, has several textures, or names one out of its folder.
    """
    content = read_content(path, MAX_MESH_BYTES, "mesh")
    sets: list[Faces] = []
    textures: list[str] = []
    for shape in _shapes(read_scene(content)):
        geometry = shape.node("geometry")
        if geometry.kind == "IndexedFaceSet":
            sets.append(_read_faces(geometry))
            textures += _texture_names(shape.node("appearance").node("texture"))
    if not sets:
        raise ValueError("the scene has no IndexedFaceSet")
    textures = list(dict.fromkeys(textures))
    if len(textures) > 1:
        raise BadInput(path, f"the mesh has {len(textures)} textures", "bake them into one")
    texture = beside(path, textures[0]) if textures else None
    points, sizes, corners, corner_uv = _join(sets)
    return from_polygons(points, sizes, corners, corner_uv=corner_uv, texture=texture)


def _shapes(nodes: Iterable[Node | None]) -> Iterator[Node]:
    """Every Shape of the scene, in order."""
    waiting, visited = list(reversed(list(nodes))), 0
    while waiting:
        node = waiting.pop()
        visited += 1
        if node is None:
            continue
        if visited > _MAX_NODES:
            raise ValueError(f"more than {_MAX_NODES} nodes")
        if node.kind in _UNSUPPORTED:
            raise ValueError(f"{_UNSUPPORTED[node.kind]} cannot be read")
        if node.kind == "Transform":
            _refuse_motion(node)
        if node.kind == "Shape":
            yield node
        else:
            waiting += reversed(list(node.nodes()))


def _refuse_motion(node: Node) -> None:
    moved = any(node.fields.get(name, value) != value for name, value in _IDENTITY.items())
    rotation = node.fields.get("rotation", [0, 0, 1, 0])
    if moved or not isinstance(rotation, list) or len(rotation) != 4 or rotation[3] != 0:
        raise ValueError("a Transform moves the surface: export it without one")


def _texture_names(node: Node) -> list[str]:
    """Names of an ImageTexture: the first url has priority."""
    url = node.fields.get("url") if node.kind == "ImageTexture" else None
    names = url if isinstance(url, list) else [url]
    return [name for name in names[:1] if isinstance(name, str) and name]


def _read_faces(geometry: Node) -> Faces:
    """(points, sizes, corners, corner_uv or None) of one IndexedFaceSet."""
    points = _table(geometry.node("coord").fields.get("point"), 3)
    sizes, corners = _polygons(geometry.fields.get("coordIndex"))
    if geometry.fields.get("ccw") is False:
        corners = corners[_reversed_corners(sizes)]
    corner_uv = None
    if geometry.node("texCoord").kind:
        coordinates = _table(geometry.node("texCoord").fields.get("point"), 2)
        chosen = corners
        if isinstance(geometry.fields.get("texCoordIndex"), Numbers):
            texture_sizes, chosen = _polygons(geometry.fields["texCoordIndex"])
            if not np.array_equal(texture_sizes, sizes):
                raise ValueError("texCoordIndex has other polygons than coordIndex")
            if geometry.fields.get("ccw") is False:
                chosen = chosen[_reversed_corners(sizes)]
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(coordinates)):
            raise ValueError("a polygon names a texture coordinate that does not exist")
        corner_uv = coordinates[chosen]
    return points, sizes, corners, corner_uv


def _table(numbers: object, columns: int) -> Floats:
    """(N, columns) of a `point` field."""
    values = numbers.read() if isinstance(numbers, Numbers) else np.empty(0)
    if len(values) % columns:
        raise ValueError(f"{len(values)} coordinates do not make points of {columns}")
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(-1, columns)


def _polygons(numbers: object) -> tuple[Integers, Integers]:
    """(sizes, corners) of an index field, where -1 ends a polygon."""
    values = numbers.read() if isinstance(numbers, Numbers) else np.empty(0)
    indices = to_integers(values)
    is_end = indices == -1
    ends = np.flatnonzero(is_end)
    if len(indices) and not is_end[-1]:
        ends = np.append(ends, len(indices))
    sizes = np.diff(ends, prepend=-1) - 1
    return sizes, indices[~is_end]


def _reversed_corners(sizes: Integers) -> Integers:
    """Indices that reverse each polygon's corners."""
    ends = np.cumsum(sizes)
    first = np.repeat(ends - sizes, sizes)
    return np.asarray(first + np.repeat(ends, sizes) - 1 - np.arange(len(first)))


def _join(sets: list[Faces]) -> Faces:
    """The sets as one; corners without texture coordinates get (0, 0) where others have them."""
    points, sizes, corners, uv = zip(*sets, strict=True)
    offsets = np.cumsum([0, *(len(p) for p in points[:-1])])
    joined_uv = None
    if any(values is not None for values in uv):
        joined_uv = np.concatenate(
            [
                np.zeros((len(c), 2), dtype=np.float32) if values is None else values
                for c, values in zip(corners, uv, strict=True)
            ]
        )
    for c, p in zip(corners, points, strict=True):
        if len(c) and (c.min() < 0 or c.max() >= len(p)):
            raise ValueError("a polygon names a vertex that does not exist (truncated?)")
    return (
        np.concatenate(points),
        np.concatenate(sizes),
        np.concatenate([c + offset for c, offset in zip(corners, offsets, strict=True)]),
        joined_uv,
    )
