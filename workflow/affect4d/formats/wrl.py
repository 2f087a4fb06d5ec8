"""WRL (VRML 2.0) as in BU-3DFE: IndexedFaceSets with texture coordinates and an image."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content, without_mark
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
_FACE_SET = "IndexedFaceSet"
# Fields of a Transform that moves nothing.
_IDENTITY = {"translation": [0, 0, 0], "scale": [1, 1, 1]}

Floats: TypeAlias = NDArray[np.float32]
Positions: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Faces: TypeAlias = tuple[Positions, Integers, Integers, Floats | None]
Picture: TypeAlias = tuple[Path, tuple[bool, bool]]  # and whether it repeats across and upwards


def read_wrl(path: Path) -> Mesh:
    """Mesh of all IndexedFaceSets of a scene; polygons are triangulated.

    Raises
    ------
    ValueError
        The file is truncated, does not follow the format, or its scene is not one surface without
        transformation (Transform nodes that move it, levels of detail).
    BadInput
        It cannot be read, has several textures, or names one out of its folder.
    """
    sets: list[Faces] = []
    textures: list[Picture] = []
    for shape in _face_sets(path):
        faces = _read_faces(shape.node("geometry"))
        points, sizes, corners, corner_uv = faces
        sets.append((points, sizes, corners, _transformed(corner_uv, shape.node("appearance"))))
        textures += _textures(path, shape)
    texture, repeats = _only_one(path, textures)
    points, sizes, corners, uv = _join(sets)
    mesh = from_polygons(points, sizes, corners, corner_uv=uv)
    return replace(mesh, texture=texture, repeats=repeats)


def find_wrl_texture(path: Path) -> Path | None:
    """The texture that `read_wrl` gives; it raises what that raises of scenes."""
    textures = [texture for shape in _face_sets(path) for texture in _textures(path, shape)]
    return _only_one(path, textures)[0]


def _face_sets(path: Path) -> list[Node]:
    """Every Shape of the scene that is an IndexedFaceSet."""
    content = without_mark(read_content(path, MAX_MESH_BYTES, "mesh"))
    shapes = [s for s in _shapes(read_scene(content)) if s.node("geometry").kind == _FACE_SET]
    if not shapes:
        raise ValueError(f"the scene has no {_FACE_SET}")
    return shapes


def _only_one(path: Path, textures: list[Picture]) -> Picture | tuple[None, tuple[bool, bool]]:
    different = list(dict.fromkeys(textures))
    if len(different) > 1:
        raise BadInput(path, f"the mesh has {len(different)} textures", "bake them into one")
    return different[0] if different else (None, (True, True))


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


def _textures(path: Path, shape: Node) -> list[Picture]:
    """The ImageTexture of a Shape with polygons: the first url that exists, or else the first."""
    node = shape.node("appearance").node("texture")
    has_polygons = isinstance(shape.node("geometry").fields.get("coordIndex"), Numbers)
    url = node.fields.get("url") if has_polygons and node.kind == "ImageTexture" else None
    names = url if isinstance(url, list) else [url]
    found = [beside(path, name) for name in names if isinstance(name, str) and name]
    if not found:
        return []
    repeats = tuple(node.fields.get(name) is not False for name in ("repeatS", "repeatT"))
    return [(next((f for f in found if f.is_file()), found[0]), (repeats[0], repeats[1]))]


def _transformed(uv: Positions | None, appearance: Node) -> Floats | None:
    """Texture coordinates (C, 2) by the appearance's TextureTransform, VRML97 6.49:
    -center x scale x rotation x center x translation."""
    if uv is None:
        return None
    node = appearance.node("textureTransform")
    if node.kind:
        centre, shift, scale = (
            _pair(node, name, default)
            for name, default in (("center", 0.0), ("translation", 0.0), ("scale", 1.0))
        )
        angle = _numbers(node, "rotation", [0.0])[0]
        c, s = np.cos(angle), np.sin(angle)
        turned = (uv + shift + centre) @ np.array([[c, s], [-s, c]])
        uv = turned * scale - centre
    with np.errstate(over="ignore"):
        return uv.astype(np.float32)


def _pair(node: Node, name: str, default: float) -> Positions:
    return np.array(_numbers(node, name, [default, default]))


def _numbers(node: Node, name: str, default: list[float]) -> list[float]:
    value = node.fields.get(name, default)
    if not isinstance(value, list) or len(value) != len(default):
        raise ValueError(f"{node.kind}.{name} is not {len(default)} numbers")
    return value


def _read_faces(geometry: Node) -> tuple[Positions, Integers, Integers, Positions | None]:
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


def _table(numbers: object, columns: int) -> Positions:
    """(N, columns) of a `point` field."""
    values = numbers.read() if isinstance(numbers, Numbers) else np.empty(0)
    if len(values) % columns:
        raise ValueError(f"{len(values)} coordinates do not make points of {columns}")
    return values.reshape(-1, columns)


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
