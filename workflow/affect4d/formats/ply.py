"""PLY, ASCII and binary of either byte order, with any layout of properties.

The header's counts are compared with the size of the file before anything is allocated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content, without_mark
from affect4d.formats.last_line import TRUNCATED, is_whole_index, unended_line, warn_of_last_line
from affect4d.formats.numbers import read_numbers, to_integers
from affect4d.formats.paths import beside
from affect4d.formats.polygons import MAX_MESH_BYTES, Mesh, from_polygons
from affect4d.formats.triangulation import check_count
from affect4d.quarantine import BadInput

_MAX_HEADER_BYTES = 1 << 16  # some thousand properties
_START = re.compile(rb"\s*ply[ \t]*[\r\n]")
# A body may begin with a line feed where lines end with a carriage return alone.
_END = re.compile(rb"[\r\n][ \t]*end_header[ \t]*(\r\n|\n|\r)")
_LINE_END = re.compile(r"\r\n|\n|\r")
_ORDERS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_TEXTURE_NAMES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_CORNER_NAMES = ("vertex_indices", "vertex_index")
_TRUNCATED = "truncated: less than the header announces"
_READ = {"x", "y", "z", "texcoord", *_CORNER_NAMES, *(n for names in _TEXTURE_NAMES for n in names)}
_MAX_COUNT_DIGITS = 19  # that 64 bits hold

# The elements that `write_ply` writes.
_VERTEX = np.dtype([("position", "<f4", 3), ("uv", "<f4", 2)])
_FACE = np.dtype([("count", "u1"), ("index", "<i4", 3)])
_HEADER = """ply
format binary_little_endian 1.0
{comment}element vertex {vertices}
property float x
property float y
property float z
property float s
property float t
element face {faces}
property list uchar int vertex_indices
end_header
"""


@dataclass(frozen=True)
class _Property:
    """One column: NumPy's type ; `count`, that of a list's length, None for a scalar."""

    name: str
    kind: str
    count: str | None


@dataclass(frozen=True)
class _Element:
    name: str
    rows: int
    properties: list[_Property]


@dataclass(frozen=True)
class _Lists:
    """A list property of all rows: (rows,) lengths and the values, row after row."""

    lengths: NDArray[np.int64]
    values: NDArray[Any]


Integers: TypeAlias = NDArray[np.int64]
Columns: TypeAlias = dict[str, NDArray[Any] | _Lists]


def write_ply(path: Path | str, mesh: Mesh, texture_name: str | None = None) -> None:
    """Write a binary little-endian PLY with texture coordinates `s t`.

    `texture_name` is written as `comment TextureFile`, the convention of scanners' software.
    """
    vertices = np.zeros(len(mesh.vertices), dtype=_VERTEX)
    vertices["position"] = mesh.vertices
    vertices["uv"] = 0 if mesh.uv is None else mesh.uv
    faces = np.zeros(len(mesh.triangles), dtype=_FACE)
    faces["count"], faces["index"] = 3, mesh.triangles
    comment = f"comment TextureFile {texture_name}\n" if texture_name else ""
    header = _HEADER.format(comment=comment, vertices=len(vertices), faces=len(faces))
    Path(path).write_bytes(header.encode("ascii") + vertices.tobytes() + faces.tobytes())


def read_ply(path: Path) -> Mesh:
    """Mesh of a PLY file; polygons are triangulated.

    Texture coordinates come from the faces' `texcoord` lists, or else from the vertices' `s t`,
    `u v` or `texture_u texture_v`.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        It cannot be read, has several textures, or names one out of its folder.
    """
    content = without_mark(read_content(path, MAX_MESH_BYTES, "mesh"))
    order, elements, textures, start = _read_header(content)
    texture = _one_texture(path, textures)
    body = _Body(np.frombuffer(content, dtype=np.uint8), order, start)
    if order is None:
        body = _Body(read_numbers(body.data, start, len(content)), None, 0)
    columns: dict[str, Columns] = {"vertex": {}, "face": {}}
    for element in elements:
        values = body.read(element)
        if element.name in columns:
            columns[element.name] = values
    last = [] if order or content[-1:].isspace() else unended_line(content[start:])
    if last:
        if body.at == len(body.data) and not _is_whole(last[-1], elements):
            raise ValueError(TRUNCATED)
        warn_of_last_line(path)
    return replace(_assemble(columns["vertex"], columns["face"]), texture=texture)


def find_ply_texture(path: Path) -> Path | None:
    """The texture that `read_ply` gives; it raises what that raises of headers."""
    content = read_content(path, MAX_MESH_BYTES, "mesh", first=_MAX_HEADER_BYTES + 1)
    return _one_texture(path, _textures(_header_lines(without_mark(content))[0]))


def _one_texture(path: Path, names: list[str]) -> Path | None:
    textures = list(dict.fromkeys(beside(path, name) for name in names))
    if len(textures) > 1:
        raise BadInput(path, f"the mesh has {len(textures)} textures", "bake them into one")
    return textures[0] if textures else None


def _is_whole(last: bytes, elements: list[_Element]) -> bool:
    """Whether the last number of an ASCII file, whose line does not end, is whole or not needed."""
    element = [element for element in elements if element.rows and element.properties][-1]
    name = element.properties[-1].name
    if element.name == "face" and name in _CORNER_NAMES:
        vertices = sum(element.rows for element in elements if element.name == "vertex")
        return is_whole_index(last, vertices - 1)
    return element.name not in ("vertex", "face") or name not in _READ


def _assemble(vertex: Columns, face: Columns) -> Mesh:
    """The mesh of the two elements' columns."""
    scalars = {name: column for name, column in vertex.items() if not isinstance(column, _Lists)}
    points = _stack(scalars, "xyz")
    if points is None:
        raise ValueError("the vertices have no x, y, z")
    lists = next((face[name] for name in _CORNER_NAMES if name in face), None)
    if not isinstance(lists, _Lists):
        raise ValueError("there are no faces")
    is_real = lists.values.dtype.kind == "f"  # as all numbers of an ASCII file
    corners = to_integers(lists.values) if is_real else lists.values.astype(np.int64)
    given = face.get("texcoord")
    if isinstance(given, _Lists):
        if not np.array_equal(given.lengths, 2 * lists.lengths):
            raise ValueError("a face has not as many texture coordinates as corners")
        with np.errstate(over="ignore"):
            corner_uv = given.values.astype(np.float32).reshape(-1, 2)
        return from_polygons(points, lists.lengths, corners, corner_uv=corner_uv)
    uvs = (_stack(scalars, names) for names in _TEXTURE_NAMES)
    uv = next((values for values in uvs if values is not None), None)
    mesh = from_polygons(points, lists.lengths, corners)
    with np.errstate(over="ignore"):
        return mesh if uv is None else replace(mesh, uv=uv.astype(np.float32))


def _stack(columns: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[np.float64] | None:
    """(rows, len(names)); None where a column is missing."""
    if not all(name in columns for name in names):
        return None
    return np.stack([columns[name] for name in names], axis=1).astype(np.float64)


def _header_lines(content: bytes) -> tuple[list[str], int]:
    """The lines of the header, and the start of the body; -1 where the header has no end."""
    start = _START.match(content)
    if start is None:
        raise ValueError("no PLY header")
    end = _END.search(content, 0, _MAX_HEADER_BYTES)
    head = content[start.end() : _MAX_HEADER_BYTES if end is None else end.start()]
    lines = _LINE_END.split(head.decode("utf-8", "replace"))
    if end is None:
        return lines, -1
    return lines, end.end() if b"\n" in content[: end.start(1)] else end.start(1) + 1


def _textures(lines: list[str]) -> list[str]:
    """The names in the header's comments."""
    words = [line.split(None, 2) for line in lines]
    named = [w for w in words if len(w) > 2 and w[0] == "comment" and w[1].lower() == "texturefile"]
    return [name.strip() for _, _, name in named]


def _read_header(content: bytes) -> tuple[str | None, list[_Element], list[str], int]:
    """(byte order or None, elements, texture names, start of the body)."""
    lines, body = _header_lines(content)
    if body < 0:
        raise ValueError("the PLY header has no end")
    order: str | None = ""
    elements: list[_Element] = []
    for line in lines:
        match line.split():
            case ["format", name, _] if name in _ORDERS:
                order = _ORDERS[name]
            case ["element", name, count] if count.isdecimal() and len(count) <= _MAX_COUNT_DIGITS:
                elements.append(_Element(name, check_count(int(count), f"{name} elements"), []))
            case ["property", "list", count, kind, name] if elements:
                elements[-1].properties.append(_Property(name, _kind(kind), _length_kind(count)))
            case ["property", kind, name] if elements:
                elements[-1].properties.append(_Property(name, _kind(kind), None))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise ValueError(f"header line {line[:60]!r} cannot be read")
    if order == "":
        raise ValueError("the header names no format")
    for element in elements:
        if len({prop.name for prop in element.properties}) < len(element.properties):
            raise ValueError(f"element {element.name[:40]} has two properties of one name")
    return order, elements, _textures(lines), body


def _kind(name: str) -> str:
    if name not in _TYPES:
        raise ValueError(f"there is no type {name[:30]!r}")
    return _TYPES[name]


def _length_kind(name: str) -> str:
    kind = _kind(name)
    if kind[0] == "f":
        raise ValueError("a list's length cannot be a float")
    return kind


@dataclass
class _Body:
    """The file's bytes, or the numbers of an ASCII file (`order` None), read up to `at`."""

    data: NDArray[Any]
    order: str | None
    at: int

    def read(self, element: _Element) -> Columns:
        """The columns of the next element that a mesh needs."""
        if not element.properties or not element.rows:
            return {}
        lengths = self._first_lengths(element)
        columns = None if lengths is None else self._read_equal(element, lengths)
        return self._read_ragged(element) if columns is None else columns

    def _first_lengths(self, element: _Element) -> list[int] | None:
        """The first row's list lengths (1 for scalars); None where not all rows can be as long.

        Raises ValueError where the element is larger than the rest of the file.
        """
        lengths, end = [], self.at
        for prop in element.properties:
            size, count_size = _sizes(prop, self.order)
            length = 1
            if prop.count is not None:
                if end + count_size > len(self.data):
                    raise ValueError(_TRUNCATED)
                length = int(_length(self.data, end, count_size, self.order == ">"))
            end += count_size + size * length
            if length < 0 or end > len(self.data):
                raise ValueError(_TRUNCATED)
            lengths.append(length)
        if (end - self.at) * element.rows <= len(self.data) - self.at:
            return lengths
        if all(prop.count is None for prop in element.properties):
            raise ValueError(_TRUNCATED)
        return None

    def _read_equal(self, element: _Element, lengths: list[int]) -> Columns | None:
        """The columns if the lists of all rows have these lengths, else None."""
        order = self.order or ""
        fields: list[tuple[str, str, tuple[int, ...]]] = []
        for index, (prop, length) in enumerate(zip(element.properties, lengths, strict=True)):
            if prop.count is not None:
                fields.append((f"{index}n", order + prop.count if order else "f8", ()))
            shape = () if prop.count is None else (length,)
            fields.append((f"{index}v", order + prop.kind if order else "f8", shape))
        dtype = np.dtype(fields)
        size = element.rows * dtype.itemsize // self.data.itemsize
        rows = np.frombuffer(self.data[self.at : self.at + size], dtype, element.rows)
        columns: Columns = {}
        for index, (prop, length) in enumerate(zip(element.properties, lengths, strict=True)):
            if prop.count is not None and (rows[f"{index}n"] != length).any():
                return None
            values = rows[f"{index}v"]
            if prop.name in _READ and prop.count is None:
                columns[prop.name] = values
            elif prop.name in _READ:
                columns[prop.name] = _Lists(np.full(element.rows, length), values.reshape(-1))
        self.at += size
        return columns

    def _read_ragged(self, element: _Element) -> Columns:
        """The columns where the lists of the rows have different lengths."""
        sizes = np.array([_sizes(prop, self.order) for prop in element.properties], np.int64)
        kept = [i for i, prop in enumerate(element.properties) if prop.name in _READ]
        slots = np.full(len(sizes), -1, dtype=np.int64)
        slots[kept] = np.arange(len(kept))
        starts = np.empty((element.rows, len(kept)), dtype=np.int64)
        lengths = np.ones((element.rows, len(kept)), dtype=np.int64)
        is_big = self.order == ">"
        self.at = _walk(self.data, self.at, sizes, slots, is_big, starts, lengths)
        if self.at < 0:
            raise ValueError(_TRUNCATED)
        columns: Columns = {}
        for slot, index in enumerate(kept):
            prop, size = element.properties[index], int(sizes[index, 0])
            values = np.empty(int(lengths[:, slot].sum()) * size, dtype=self.data.dtype)
            _gather(self.data, starts[:, slot], lengths[:, slot] * size, values)
            values = values if self.order is None else values.view(self.order + prop.kind)
            columns[prop.name] = values if prop.count is None else _Lists(lengths[:, slot], values)
        return columns


def _sizes(prop: _Property, order: str | None) -> tuple[int, int]:
    """(of a value, of a list's length) in bytes, or in numbers of an ASCII file."""
    if order is None:
        return 1, int(prop.count is not None)
    return int(prop.kind[1]), int(prop.count[1]) if prop.count else 0


@numba.njit(cache=True)
def _length(data: NDArray[Any], at: int, size: int, is_big: bool) -> np.int64:
    """A list's length from its bytes, or from one number of an ASCII file; -1 if invalid."""
    if size == 1:
        if not 0 <= data[at] <= len(data):
            return np.int64(-1)
        length = np.int64(data[at])
        return length if length == data[at] else np.int64(-1)
    length = np.int64(0)
    for byte in range(size):
        length = length * 256 + np.int64(data[at + (byte if is_big else size - 1 - byte)])
    return length


@numba.njit(cache=True)
def _walk(
    data: NDArray[Any],
    at: int,
    sizes: Integers,
    slots: Integers,
    is_big: bool,
    starts: Integers,
    lengths: Integers,
) -> int:
    """Fill starts and lengths (rows, kept properties); the element's end, -1 if truncated."""
    for row in range(len(starts)):
        for index in range(len(sizes)):
            size, count_size = sizes[index]
            length = np.int64(1)
            if count_size:
                if at + count_size > len(data):
                    return -1
                length = _length(data, at, count_size, is_big)
                at += count_size
            if length < 0 or size * length > len(data) - at:
                return -1
            if slots[index] >= 0:
                starts[row, slots[index]] = at
                lengths[row, slots[index]] = length
            at += size * length
    return at


@numba.njit(cache=True)
def _gather(data: NDArray[Any], starts: Integers, lengths: Integers, values: NDArray[Any]) -> None:
    filled = 0
    for row in range(len(starts)):
        for at in range(starts[row], starts[row] + lengths[row]):
            values[filled] = data[at]
            filled += 1
