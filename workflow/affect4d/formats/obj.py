"""Wavefront OBJ: positions, texture coordinates, polygons, the material's texture.

The text is parsed in two compiled passes (count, then fill), so nothing is allocated that the file
does not hold.
"""

import re
from pathlib import Path
from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content
from affect4d.formats.numbers import scan_integer, scan_number, token_at
from affect4d.formats.paths import beside
from affect4d.formats.polygons import MAX_MESH_BYTES, Mesh, check_count, from_polygons
from affect4d.quarantine import BadInput

_MAX_MATERIAL_BYTES = 4 << 20  # a material takes some hundred bytes
_MAX_STATEMENTS = 100_000  # of mtllib and usemtl: exporters may repeat one per group of faces
_OTHER, _VERTEX, _TEXTURE, _FACE, _NAMED = range(5)  # kinds of statements
_BLANK, _NEWLINE, _RETURN, _BACKSLASH, _SLASH = 32, 10, 13, ord("\\"), ord("/")  # ASCII
_NOWHERE = 2**31 - 1  # beyond any vertex
_NO_TEXTURE = -1  # the index of a corner without a texture coordinate
_MAX_NAME = 4096  # bytes: Linux' longest path

Text: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Indices: TypeAlias = NDArray[np.int32]


def read_obj(path: Path) -> Mesh:
    """Mesh of an OBJ file; polygons become triangle fans, seams split vertices.

    Corners without a texture coordinate get (0, 0) where others have one.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        The file or its material cannot be read, or names a file out of its folder.
    """
    content = read_content(path, MAX_MESH_BYTES, "mesh")
    _refuse_truncated(content)
    text = np.frombuffer(content, dtype=np.uint8)
    vertices, textures, faces, corners, named = (int(count) for count in _count(text))
    check_count(vertices, "vertices")
    check_count(textures, "texture coordinates")
    check_count(faces, "polygons")
    check_count(corners // 3, "triangles")
    if named > _MAX_STATEMENTS:
        raise ValueError(f"{named} material statements: at most {_MAX_STATEMENTS} can be read")
    points = np.empty((vertices, 3), dtype=np.float32)
    coordinates = np.empty((textures, 2), dtype=np.float32)
    sizes = np.empty(faces, dtype=np.int32)
    corner = np.empty((corners, 2), dtype=np.int32)
    names = np.empty(named, dtype=np.int64)
    wrong = _fill(text, points, coordinates, sizes, corner, names)
    if wrong >= 0:
        raise ValueError(f"{token_at(text, wrong)} does not follow the format")
    return from_polygons(
        points,
        sizes,
        corner[:, 0],
        corner_uv=_corner_uv(corner[:, 1], coordinates),
        texture=_find_texture(path, content, names),
    )


def _refuse_truncated(content: bytes) -> None:
    """ValueError where the last number may have been truncated: its line does not end."""
    if not content.endswith((b"\n", b"\r")):
        last = content[max(content.rfind(b"\n"), content.rfind(b"\r")) + 1 :]
        if last.split(None, 1)[:1] in ([b"v"], [b"vt"], [b"vn"], [b"f"]):
            raise ValueError("truncated: the last line does not end")


def _corner_uv(corner: Indices, coordinates: Floats) -> Floats | None:
    has = corner != _NO_TEXTURE
    if not has.any():
        return None
    if corner.max() >= len(coordinates) or corner.min() < _NO_TEXTURE:
        raise ValueError("a polygon names a texture coordinate that does not exist (truncated?)")
    if has.all():
        return np.asarray(coordinates[corner])
    return np.where(has[:, None], coordinates[corner], np.float32(0))


def _find_texture(path: Path, content: bytes, names: Integers) -> Path | None:
    """The one texture of the materials that are used, or of the library where none is named."""
    libraries: list[str] = []
    used: list[str] = []
    for start in names:
        line = re.split(rb"[\r\n]", content[start : start + _MAX_NAME], maxsplit=1)[0]
        statement = line.decode("utf-8", "replace")
        keyword, *name = statement.split(None, 1)
        (libraries if keyword == "mtllib" else used).append("".join(name).strip())
    of_material: dict[str, str] = {}
    for library in dict.fromkeys(libraries):
        materials = beside(path, library)
        if _is_file(materials):  # scans are often passed on without their materials
            of_material.update(_read_materials(materials, path))
    textures = [of_material[name] for name in dict.fromkeys(used) if name in of_material]
    textures = list(dict.fromkeys(textures or list(of_material.values())[:1]))
    if len(textures) > 1:
        raise BadInput(path, f"the mesh has {len(textures)} textures", "bake them into one")
    return beside(path, textures[0]) if textures else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _read_materials(library: Path, mesh: Path) -> dict[str, str]:
    """{material: its colour texture's name} of an .mtl file."""
    try:
        content = read_content(library, _MAX_MATERIAL_BYTES, "material file")
    except BadInput as problem:
        raise BadInput(library, problem.rule, f"put it by {mesh}") from None
    textures, material = {}, ""
    for line in content.decode("utf-8", "replace").splitlines():
        keyword, value = [*line.split(None, 1), "", ""][:2]
        value = value.strip()
        if keyword == "newmtl":
            material = value
        elif keyword == "map_Kd" and value:  # options, where there are any, come first
            textures[material] = value.split()[-1] if value.startswith("-") else value
    return textures


@numba.njit(cache=True)
def _skip_blanks(text: Text, at: int) -> int:
    """The next position that is not a blank; after a backslash, the end of a line is a blank."""
    while at < len(text):
        sign = text[at]
        if sign in (_NEWLINE, _RETURN):
            return at
        if sign == _BACKSLASH:
            end = at + 1
            while end < len(text) and text[end] == _RETURN:
                end += 1
            if end < len(text) and text[end] == _NEWLINE:
                at = end + 1
                continue
            return at
        if sign > _BLANK:
            return at
        at += 1
    return at


@numba.njit(cache=True)
def _keyword(text: Text, at: int) -> tuple[int, int]:
    """(kind of statement, position after its keyword)."""
    size = len(text)
    end = at
    while end < size and text[end] > _BLANK:
        end += 1
    length = end - at
    if length == 1 and text[at] == ord("v"):
        return _VERTEX, end
    if length == 1 and text[at] == ord("f"):
        return _FACE, end
    if length == 2 and text[at] == ord("v") and text[at + 1] == ord("t"):
        return _TEXTURE, end
    if length == 6 and text[at + 3] == ord("m") and text[at + 4] == ord("t"):
        return _NAMED, end  # usemtl
    if length == 6 and text[at] == ord("m") and text[at + 3] == ord("l"):
        return _NAMED, end  # mtllib
    return _OTHER, end


@numba.njit(cache=True)
def _next_line(text: Text, at: int) -> int:
    while at < len(text) and text[at] != _NEWLINE and text[at] != _RETURN:
        at += 1
    return at + 1


@numba.njit(cache=True)
def _count(text: Text) -> Integers:
    """Numbers of vertices, texture coordinates, faces, faces' corners, and material statements."""
    counts = np.zeros(5, dtype=np.int64)
    at = 0
    while at < len(text):
        at = _skip_blanks(text, at)
        kind, at = _keyword(text, at)
        if kind == _FACE:
            counts[2] += 1
            at = _skip_blanks(text, at)
            while at < len(text) and text[at] > _BLANK:
                counts[3] += 1
                at += 1
                while at < len(text) and text[at] > _BLANK and text[at] != _BACKSLASH:
                    at += 1
                at = _skip_blanks(text, at)
        elif kind == _VERTEX:
            counts[0] += 1
        elif kind == _TEXTURE:
            counts[1] += 1
        elif kind == _NAMED:
            counts[4] += 1
        at = _next_line(text, at)
    return counts


@numba.njit(cache=True)
def _read_row(text: Text, at: int, row: Floats) -> tuple[int, int]:
    """Fill `row`; (position after its numbers, position of what is not a number or -1)."""
    for column in range(len(row)):
        at = _skip_blanks(text, at)
        value, after = scan_number(text, at, len(text))
        if after < 0 or (after < len(text) and text[after] > _BLANK and text[after] != _BACKSLASH):
            return at, at
        row[column] = value
        at = after
    return at, -1


@numba.njit(cache=True)
def _resolve(index: np.int64, known: int) -> int:
    """The zero-based index of a one-based one, or of one counted backwards from the last."""
    if index > 0:
        return min(int(index) - 1, _NOWHERE)
    return known + int(index) if index != 0 and -index <= known else _NOWHERE


@numba.njit(cache=True)
def _read_corner(text: Text, at: int, corner: Indices, vertices: int, textures: int) -> int:
    """Read one `v`, `v/vt`, `v//vn` or `v/vt/vn`; the position after it, -1 where it is none."""
    size = len(text)
    index, at = scan_integer(text, at, size)
    if at < 0:
        return -1
    corner[0], corner[1] = _resolve(index, vertices), _NO_TEXTURE
    for part in range(2):
        if at >= size or text[at] != _SLASH:
            break
        at += 1
        if at < size and text[at] > _BLANK and text[at] != _SLASH:
            index, at = scan_integer(text, at, size)
            if at < 0:
                return -1
            if part == 0:
                corner[1] = _resolve(index, textures)
    return at if at >= size or text[at] <= _BLANK or text[at] == _BACKSLASH else -1


@numba.njit(cache=True)
def _fill(
    text: Text,
    points: Floats,
    coordinates: Floats,
    sizes: Indices,
    corners: Indices,
    names: Integers,
) -> int:
    """Fill the arrays; the position of the first token that violates the format, or -1."""
    vertices = textures = faces = filled = named = 0
    at = 0
    while at < len(text):
        start = _skip_blanks(text, at)
        kind, at = _keyword(text, start)
        wrong = -1
        if kind == _VERTEX:
            at, wrong = _read_row(text, at, points[vertices])
            vertices += 1
        elif kind == _TEXTURE:
            at, wrong = _read_row(text, at, coordinates[textures])
            textures += 1
        elif kind == _FACE:
            first = filled
            at = _skip_blanks(text, at)
            while at < len(text) and text[at] > _BLANK:
                begin = at
                at = _read_corner(text, at, corners[filled], vertices, textures)
                if at < 0:
                    return begin
                filled += 1
                at = _skip_blanks(text, at)
            sizes[faces] = filled - first
            faces += 1
        elif kind == _NAMED:
            names[named] = start
            named += 1
        if wrong >= 0:
            return wrong
        at = _next_line(text, at)
    return -1
