"""Textured triangle meshes from OBJ and PLY, in millimetres."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from affect4d.formats.paths import inside
from affect4d.formats.quarantine import BadInput


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) float32 mm; triangles (F, 3) int32; uv (V, 2) float32 (v up) or None."""

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray | None = None
    texture: Path | None = None


def read_mesh(path):
    """Read an OBJ or PLY (ASCII, binary) scan.

    Raises
    ------
    BadInput
        The file is missing, of another format, truncated, empty, has vertices that are not
        finite or triangles that name vertices it does not have.
    """
    path = Path(path)
    readers = {".ply": _read_ply, ".obj": _read_obj}
    if path.suffix.lower() not in readers:
        raise BadInput(path, f"unknown mesh format {path.suffix!r}", "give .obj or .ply")
    try:
        mesh = readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise BadInput(path, "the mesh does not exist", "add it or drop the row") from None
    except BadInput:
        raise
    except Exception as error:  # the parsers raise whatever they stumble over
        raise BadInput(
            path, f"cannot be read as a mesh ({_one_line(error)})", "export the scan again"
        ) from None
    return check_mesh(mesh, path)


def check_mesh(mesh, file):
    """`mesh`, where it can be used; BadInput that names `file` otherwise."""
    if len(mesh.vertices) < 3 or len(mesh.triangles) < 1:
        raise BadInput(file, "the mesh has no triangles (truncated?)", "export the scan again")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(file, "a vertex is not a finite number", "clean the scan of NaN vertices")
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.vertices):
        raise BadInput(
            file, "a triangle names a vertex that does not exist (truncated?)", "export it again"
        )
    return mesh


def _one_line(error):
    return " ".join(str(error).split())[:120] or type(error).__name__


_PLY_VERTEX = np.dtype([("position", "<f4", 3), ("uv", "<f4", 2)])
_PLY_FACE = np.dtype([("count", "u1"), ("index", "<i4", 3)])
_PLY_HEADER = """ply
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


def write_ply(path, mesh, texture_name=None):
    """Write a binary little-endian PLY with texture coordinates `s t`.

    `texture_name` is noted as `comment TextureFile`, the convention of scanners' software.
    """
    vertices = np.zeros(len(mesh.vertices), dtype=_PLY_VERTEX)
    vertices["position"] = mesh.vertices
    vertices["uv"] = 0 if mesh.uv is None else mesh.uv
    faces = np.zeros(len(mesh.triangles), dtype=_PLY_FACE)
    faces["count"], faces["index"] = 3, mesh.triangles
    comment = f"comment TextureFile {texture_name}\n" if texture_name else ""
    header = _PLY_HEADER.format(comment=comment, vertices=len(vertices), faces=len(faces))
    Path(path).write_bytes(header.encode("ascii") + vertices.tobytes() + faces.tobytes())


def _read_ply(path):
    content = path.read_bytes()
    end = content.find(b"end_header")
    if end < 0:
        raise ValueError("no PLY header")
    start = content.index(b"\n", end) + 1
    header = content[:start].decode("ascii", "replace").replace("\r\n", "\n")
    texture = next(
        (
            line.split(None, 2)[2].strip()
            for line in header.splitlines()
            if line.startswith("comment TextureFile ")
        ),
        None,
    )
    mesh = _read_own_ply(header, content, start) or _read_any_ply(path)
    return Mesh(mesh.vertices, mesh.triangles, mesh.uv, _texture(path, texture))


def _read_own_ply(header, content, start):
    """The layout of `write_ply` (the common case) straight from memory; None for any other."""
    counts = [int(line.split()[2]) for line in header.splitlines() if line.startswith("element ")]
    if len(counts) != 2:
        return None
    layout = _PLY_HEADER.format(comment="", vertices=counts[0], faces=counts[1])
    lines = [line for line in header.splitlines() if not line.startswith("comment")]
    if lines != layout.splitlines():
        return None
    middle = start + counts[0] * _PLY_VERTEX.itemsize
    if len(content) < middle + counts[1] * _PLY_FACE.itemsize:
        raise ValueError("truncated: fewer bytes than the header announces")
    vertices = np.frombuffer(content, _PLY_VERTEX, counts[0], start)
    faces = np.frombuffer(content, _PLY_FACE, counts[1], middle)
    if (faces["count"] != 3).any():
        return None
    return Mesh(vertices["position"].copy(), faces["index"].copy(), vertices["uv"].copy())


def _read_any_ply(path):
    return _from_trimesh(trimesh.load_mesh(path, process=False, maintain_order=True))


def _read_obj(path):
    announced = _count_obj(path)
    mesh = _from_trimesh(
        trimesh.load_mesh(path, process=False, maintain_order=True, split_object=False)
    )
    if announced == 0:
        raise ValueError("no faces: truncated?")
    return Mesh(mesh.vertices, mesh.triangles, mesh.uv, _texture(path, _obj_texture(path)))


def _count_obj(path):
    """Number of face lines; trimesh would not report a last line that was cut in the middle."""
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        kind = content.rsplit(b"\n", 1)[-1].split()[:1]
        # where an index or a coordinate may have been cut, nothing says that it was not
        if kind and kind[0] in (b"v", b"vt", b"vn", b"f"):
            raise ValueError("truncated: the last line does not end")
    return content.count(b"\nf ") + content.startswith(b"f ")


def _obj_texture(path):
    for line in _lines(path):
        if line.startswith("mtllib "):
            library = inside(path.parent, line.split(None, 1)[1].strip())
            if not library.is_file():
                raise BadInput(library, "the material file does not exist", f"put it by {path}")
            for entry in _lines(library):
                if entry.strip().startswith("map_Kd "):
                    return entry.split(None, 1)[1].strip()
        elif line.startswith(("v ", "f ")):
            return None
    return None


def _lines(path):
    with path.open(encoding="utf-8", errors="replace") as handle:
        yield from handle


def _texture(path, name):
    return None if name is None else inside(path.parent, name)


def _from_trimesh(mesh):
    if not isinstance(mesh, trimesh.Trimesh):
        raise ValueError("no triangles")
    uv = getattr(mesh.visual, "uv", None)
    return Mesh(
        np.asarray(mesh.vertices, dtype=np.float32),
        np.asarray(mesh.faces, dtype=np.int32),
        None if uv is None else np.asarray(uv, dtype=np.float32),
    )
