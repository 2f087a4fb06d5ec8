"""PLY, ASCII and binary of either byte order, with any layout of properties.

What the header announces is held against the bytes that are there before anything is allocated.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numba
import numpy as np

from affect4d.formats.content import read_content
from affect4d.formats.numbers import read_numbers, whole_numbers
from affect4d.formats.paths import beside
from affect4d.formats.polygons import LARGEST_MESH, check_count, from_polygons
from affect4d.quarantine import BadInput

_LARGEST_HEADER = 1 << 16
_START = re.compile(rb"ply(\r\n|\n|\r)")
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
    """One column: `kind` of its values; `count`, the kind of a list's length, None for a scalar."""

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

    lengths: np.ndarray
    values: np.ndarray


def write_ply(path, mesh, texture_name=None):
    """Write a binary little-endian PLY with texture coordinates `s t`.

    `texture_name` is noted as `comment TextureFile`, the convention of scanners' software.
    """
    vertices = np.zeros(len(mesh.vertices), dtype=_VERTEX)
    vertices["position"] = mesh.vertices
    vertices["uv"] = 0 if mesh.uv is None else mesh.uv
    faces = np.zeros(len(mesh.triangles), dtype=_FACE)
    faces["count"], faces["index"] = 3, mesh.triangles
    comment = f"comment TextureFile {texture_name}\n" if texture_name else ""
    header = _HEADER.format(comment=comment, vertices=len(vertices), faces=len(faces))
    Path(path).write_bytes(header.encode("ascii") + vertices.tobytes() + faces.tobytes())


def read_ply(path):
    """Mesh of a PLY file; polygons become triangle fans.

    Texture coordinates come from the faces' `texcoord` lists, or else from the vertices' `s t`,
    `u v` or `texture_u texture_v`.

    Raises
    ------
    ValueError
        The file is truncated or does not follow the format.
    BadInput
        It cannot be read, has several textures, or names one out of its folder.
    """
    content = read_content(path, LARGEST_MESH, "mesh")
    order, elements, textures, at = _read_header(content)
    if len(textures) > 1:
        raise BadInput(path, f"the mesh has {len(textures)} textures", "bake them into one")
    texture = beside(path, textures[0]) if textures else None
    data = np.frombuffer(content, dtype=np.uint8)
    if order is None:
        if content[-1:].strip():  # the last number may have been cut
            raise ValueError("truncated: the last line does not end")
        data, at = read_numbers(data, at, len(data)), 0
    columns: dict[str, dict] = {"vertex": {}, "face": {}}
    wanted = {"x", "y", "z", "texcoord", *_CORNER_NAMES, *(n for uv in _TEXTURE_NAMES for n in uv)}
    for element in elements:
        found, at = _read_element(data, at, element, wanted, order)
        if element.name in columns:
            columns[element.name] = found
    return _assemble(columns["vertex"], columns["face"], texture)


def _assemble(vertex, face, texture):
    """The mesh of the two elements' columns, {name: values}."""
    vertex = {name: column for name, column in vertex.items() if not isinstance(column, _Lists)}
    points = _stack(vertex, "xyz")
    if points is None:
        raise ValueError("the vertices have no x, y, z")
    lists = next((face[name] for name in _CORNER_NAMES if name in face), None)
    if not isinstance(lists, _Lists):
        raise ValueError("there are no faces")
    corners = _whole(lists.values)
    if isinstance(face.get("texcoord"), _Lists):
        given = face["texcoord"]
        if not np.array_equal(given.lengths, 2 * lists.lengths):
            raise ValueError("a face has not as many texture coordinates as corners")
        uv = given.values.astype(np.float32).reshape(-1, 2)
        return from_polygons(points, lists.lengths, corners, uv, texture)
    uvs = (_stack(vertex, names) for names in _TEXTURE_NAMES)
    uv = next((values for values in uvs if values is not None), None)
    return replace(from_polygons(points, lists.lengths, corners, texture=texture), uv=uv)


def _stack(columns, names):
    """(rows, len(names)) float32; None where a column is missing."""
    if not all(name in columns for name in names):
        return None
    with np.errstate(over="ignore"):
        return np.stack([columns[name] for name in names], axis=1).astype(np.float32)


def _whole(values):
    """Indices as int64; ASCII files gave them as numbers."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    return whole_numbers(values)


def _read_header(content):
    """(byte order or None, elements, texture names, place of the body)."""
    start = _START.match(content)
    if start is None:
        raise ValueError("no PLY header")
    newline = start.group(1)
    end = content.find(b"end_header" + newline, 0, _LARGEST_HEADER)
    if end < 0:
        raise ValueError("the PLY header has no end")
    order: str | None = ""
    elements: list[_Element] = []
    textures: list[str] = []
    for line in content[start.end() : end].decode("utf-8", "replace").split(newline.decode()):
        words = line.split()
        match words:
            case ["format", name, _] if name in _ORDERS:
                order = _ORDERS[name]
            case ["element", name, count] if count.isdecimal() and len(count) < 20:
                elements.append(_Element(name, check_count(int(count), f"{name} elements"), []))
            case ["property", "list", count, kind, name] if elements:
                elements[-1].properties.append(_Property(name, _kind(kind), _length_kind(count)))
            case ["property", kind, name] if elements:
                elements[-1].properties.append(_Property(name, _kind(kind), None))
            case ["comment", "TextureFile", _, *_]:
                textures.append(line.split(None, 2)[2].strip())
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise ValueError(f"header line {line[:60]!r} cannot be read")
    if order == "":
        raise ValueError("the header names no format")
    for element in elements:
        if len({prop.name for prop in element.properties}) < len(element.properties):
            raise ValueError(f"element {element.name[:40]} has two properties of one name")
    return order, elements, list(dict.fromkeys(textures)), end + len(b"end_header" + newline)


def _kind(name):
    if name not in _TYPES:
        raise ValueError(f"there is no type {name[:30]!r}")
    return _TYPES[name]


def _length_kind(name):
    kind = _kind(name)
    if kind[0] == "f":
        raise ValueError("a list's length cannot be a float")
    return kind


def _read_element(data, at, element, wanted, order):
    """({name: (rows,) values or _Lists}, place after the element).

    `data` are the file's bytes, or the numbers of an ASCII file (`order` None), counted by `at`.
    """
    if not element.properties or not element.rows:
        return {}, at
    lengths = _row_of_one_shape(data, at, element, order)
    if lengths is None:
        return _read_ragged(data, at, element, wanted, order)
    fields = [
        (f"{index}{part}", kind, shape)
        for index, (prop, length) in enumerate(zip(element.properties, lengths, strict=True))
        for part, kind, shape in _fields(prop, length, order)
    ]
    dtype = np.dtype(fields)
    size = dtype.itemsize // (1 if order else 8)
    rows = np.frombuffer(data[at : at + size * element.rows], dtype, element.rows)
    found: dict[str, np.ndarray | _Lists] = {}
    for index, (prop, length) in enumerate(zip(element.properties, lengths, strict=True)):
        if prop.count is not None and (rows[f"{index}n"] != length).any():
            return _read_ragged(data, at, element, wanted, order)
        if prop.name in wanted:
            values = rows[f"{index}v"]
            found[prop.name] = (
                values if prop.count is None
                else _Lists(np.full(element.rows, length), values.reshape(-1))
            )  # fmt: skip
    return found, at + size * element.rows


def _fields(prop, length, order):
    kind, count = (order + prop.kind, prop.count and order + prop.count) if order else ("f8", "f8")
    if prop.count is None:
        return [("v", kind, ())]
    return [("n", count, ()), ("v", kind, (length,))]


def _row_of_one_shape(data, at, element, order):
    """The first row's list lengths (0 for scalars); None where not all rows can be as long.

    Raises ValueError where the element cannot fit into what is left of the file.
    """
    lengths, place = [], at
    for prop in element.properties:
        size, count_size = _sizes(prop, order)
        length = 0
        if prop.count is not None:
            if place + count_size > len(data):
                raise ValueError("truncated: less than the header announces")
            length = _length(data, place, count_size, order == ">")
        place += count_size + size * (length if prop.count is not None else 1)
        if length < 0 or place > len(data):
            raise ValueError("truncated: less than the header announces")
        lengths.append(length)
    if (place - at) * element.rows <= len(data) - at:
        return lengths
    if all(prop.count is None for prop in element.properties):
        raise ValueError("truncated: less than the header announces")
    return None


def _sizes(prop, order):
    """(of a value, of a list's length) in bytes, or in numbers of an ASCII file."""
    if order is None:
        return 1, int(prop.count is not None)
    return int(prop.kind[1]), int(prop.count[1]) if prop.count else 0


def _read_ragged(data, at, element, wanted, order):
    sizes = np.array([_sizes(prop, order) for prop in element.properties], dtype=np.int64)
    kept = [i for i, prop in enumerate(element.properties) if prop.name in wanted]
    slots = np.full(len(sizes), -1, dtype=np.int64)
    slots[kept] = np.arange(len(kept))
    starts = np.empty((element.rows, len(kept)), dtype=np.int64)
    lengths = np.ones((element.rows, len(kept)), dtype=np.int64)
    end = _walk(data, at, element.rows, sizes, slots, order == ">", starts, lengths)
    if end < 0:
        raise ValueError("truncated: less than the header announces")
    found: dict[str, np.ndarray | _Lists] = {}
    for slot, index in enumerate(kept):
        prop, size = element.properties[index], int(sizes[index, 0])
        total = int(lengths[:, slot].sum()) * size
        values = np.empty(total, dtype=data.dtype)
        _gather(data, starts[:, slot], lengths[:, slot] * size, values)
        values = values if order is None else values.view(order + prop.kind)
        found[prop.name] = values if prop.count is None else _Lists(lengths[:, slot], values)
    return found, end


@numba.njit(cache=True)
def _length(data, at, size, is_big):
    """A list's length from its bytes, or from one number of an ASCII file; -1 where it is none."""
    if size == 1:
        if not 0 <= data[at] <= len(data):
            return -1
        length = np.int64(data[at])
        return length if length == data[at] else -1
    length = np.int64(0)
    for byte in range(size):
        length = length * 256 + np.int64(data[at + (byte if is_big else size - 1 - byte)])
    return length


@numba.njit(cache=True)
def _walk(data, at, rows, sizes, slots, is_big, starts, lengths):
    """Note where each kept property of each row starts; the element's end, -1 if truncated."""
    for row in range(rows):
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
def _gather(data, starts, lengths, values):
    filled = 0
    for row in range(len(starts)):
        for place in range(starts[row], starts[row] + lengths[row]):
            values[filled] = data[place]
            filled += 1
