"""Wavefront OBJ: positions, texture coordinates, polygons, the material's texture.

The text is parsed in two compiled passes (count, then fill), so nothing is allocated that the file
does not hold.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.formats import materials
from affect4d.formats.content import read_content, without_mark
from affect4d.formats.last_line import (
    TRUNCATED,
    is_whole_index,
    unended_line,
    warn_of_last_line,
)
from affect4d.formats.numbers import scan_integer, scan_number, token_at
from affect4d.formats.polygons import MAX_MESH_BYTES, Mesh, from_polygons
from affect4d.formats.triangulation import check_count

_OTHER, _VERTEX, _TEXTURE, _FACE = range(4)  # kinds of statements
_BLANK, _NEWLINE, _RETURN, _BACKSLASH, _SLASH = 32, 10, 13, ord("\\"), ord("/")  # ASCII
_NOWHERE = 2**31 - 1  # beyond any vertex
_NO_TEXTURE = -1  # the index of a corner without a texture coordinate

Text: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int32]


def read_obj(path: Path) -> Mesh:
    """Mesh of an OBJ file; polygons are triangulated, seams split vertices.

    Corners without a texture coordinate get (0, 0) where others have one.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        The file or its material cannot be read, or names a file out of its folder.
    """
    content = _read(path)
    text = np.frombuffer(content, dtype=np.uint8)
    vertices, textures, faces, corners = (int(count) for count in _count(text))
    check_count(vertices, "vertices")
    check_count(textures, "texture coordinates")
    check_count(faces, "polygons")
    check_count(corners // 3, "triangles")
    points = np.empty((vertices, 3))
    coordinates = np.empty((textures, 2))
    sizes = np.empty(faces, dtype=np.int32)
    corner = np.empty((corners, 2), dtype=np.int32)
    wrong = _fill(text, points, coordinates, sizes, corner)
    last = unended_line(content)
    if wrong >= 0:
        if last and not re.search(rb"[\r\n]", content[wrong:]):
            raise ValueError(TRUNCATED)
        raise ValueError(f"{token_at(text, wrong)} does not follow the format")
    if last[:1] in ([b"v"], [b"vt"], [b"vn"], [b"f"]):
        if not _is_whole(last, sizes, corner[:, 0], known=(vertices, textures)):
            raise ValueError(TRUNCATED)
        warn_of_last_line(path)
    uv = _corner_uv(corner[:, 1], coordinates)
    mesh = from_polygons(points, sizes, corner[:, 0], corner_uv=uv)
    texture, repeats = materials.find_texture(path, content)
    return replace(mesh, texture=texture, repeats=(repeats, repeats))


def find_obj_texture(path: Path) -> Path | None:
    """The texture that `read_obj` gives; it raises what that raises of materials."""
    return materials.find_texture(path, _read(path))[0]


def _read(path: Path) -> bytes:
    return without_mark(read_content(path, MAX_MESH_BYTES, "mesh"))


def _is_whole(
    last: list[bytes], sizes: Indices, corner: Indices, *, known: tuple[int, int]
) -> bool:
    """Whether a last line without its end is a whole polygon, and the last of its file.

    It has as many corners as the one before, all written alike, and no digit can have followed;
    and no vertex waits for a polygon.

    Parameters
    ----------
    last : the line's keyword and corners
    sizes : (P,) corners of all polygons
    corner : (C,) the vertex of each
    known : number of vertices and of texture coordinates
    """
    used = np.zeros(known[0], dtype=np.bool_)
    used[corner[(corner >= 0) & (corner < known[0])]] = True
    if not used.all():
        return False
    corners = [word.split(b"/") for word in last[1:]]
    forms = {tuple(map(bool, parts)) for parts in corners}
    if last[0] != b"f" or len(forms) != 1 or len(set(sizes[-2:])) > 1 or not corners[-1][-1]:
        return False
    # the last index may be that of a normal, which is not read
    return len(corners[-1]) > 2 or is_whole_index(corners[-1][-1], known[len(corners[-1]) - 1])


def _corner_uv(corner: Indices, coordinates: Floats) -> NDArray[np.float32] | None:
    has = corner != _NO_TEXTURE
    if not has.any():
        return None
    if corner.max() >= len(coordinates) or corner.min() < _NO_TEXTURE:
        raise ValueError("a polygon names a texture coordinate that does not exist (truncated?)")
    with np.errstate(over="ignore"):
        rows = coordinates.astype(np.float32)
    return rows[corner] if has.all() else np.where(has[:, None], rows[corner], np.float32(0))


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
    return _OTHER, end


@numba.njit(cache=True)
def _next_line(text: Text, at: int) -> int:
    while at < len(text) and text[at] != _NEWLINE and text[at] != _RETURN:
        at += 1
    return at + 1


@numba.njit(cache=True)
def _count(text: Text) -> Integers:
    """Numbers of vertices, texture coordinates, faces, and faces' corners."""
    counts = np.zeros(4, dtype=np.int64)
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
) -> int:
    """Fill the arrays; the position of the first token that violates the format, or -1."""
    vertices = textures = faces = filled = 0
    at = 0
    while at < len(text):
        kind, at = _keyword(text, _skip_blanks(text, at))
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
        if wrong >= 0:
            return wrong
        at = _next_line(text, at)
    return -1
