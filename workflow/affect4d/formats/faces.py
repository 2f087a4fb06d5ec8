"""Faces written for other programs: OBJ, PLY and GLB, the last with morph targets.

GLB is glTF 2.0 in one file (Khronos, 2021): metres, y up, +z towards the viewer, as the template
is; texture coordinates count from the upper left corner. OBJ and PLY are in mm.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.images import encode_png
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.geometry.surface import vertex_normals
from affect4d.quarantine import BadInput

SUFFIXES = (".glb", ".obj", ".ply")
_METRES = 1e-3  # per mm
_FLOAT, _UINT, _ARRAY, _INDEX = 5126, 5125, 34962, 34963  # glTF's numbers of types and targets
_MAGIC, _VERSION, _JSON, _BINARY = 0x46546C67, 2, 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Face:
    """A face with whatever other programs can show of it.

    Attributes
    ----------
    vertices : (V, 3), mm
    triangles : (F, 3)
    uv : (V, 2), texture coordinates, v upwards
    texture : (H, W, 3)
    targets : deformations (V, 3), mm, by name: what sliders add
    weights : of the targets at first, one each
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    uv: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None
    targets: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    weights: Sequence[float] = ()


def check_suffix(path: Path, *, has_targets: bool) -> None:
    """Refuse a file that a face cannot be written to.

    Raises
    ------
    BadInput
        Its suffix is none of SUFFIXES, or cannot hold targets, or its folder does not exist.
    """
    suffixes = (".glb",) if has_targets else SUFFIXES
    if path.suffix.lower() not in suffixes:
        raise BadInput(path, "a format that cannot hold this", f"write {', '.join(suffixes)}")
    if not path.absolute().parent.is_dir():
        raise BadInput(path, "there is no such folder to write into", "make it first")


def write_face(path: Path, face: Face) -> list[Path]:
    """Write a face in the format of the path's suffix; a texture lies beside OBJ and PLY.

    Returns
    -------
    The files that were written

    Raises
    ------
    BadInput
        See `check_suffix`.
    """
    check_suffix(path, has_targets=bool(face.targets))
    if path.suffix.lower() == ".glb":
        path.write_bytes(encode_glb(face))
        return [path]
    written = [path]
    texture = path.with_suffix(".png")
    if face.texture is not None:
        texture.write_bytes(encode_png(face.texture))
        written.append(texture)
    if path.suffix.lower() == ".ply":
        mesh = Mesh(face.vertices, face.triangles, face.uv)
        write_ply(path, mesh, texture.name if face.texture is not None else None)
        return written
    if face.texture is not None:
        material = path.with_suffix(".mtl")
        material.write_text(f"newmtl face\nKd 1 1 1\nmap_Kd {texture.name}\n", encoding="utf-8")
        written.append(material)
    path.write_text(_obj(face, path), encoding="utf-8")
    return written


def _obj(face: Face, path: Path) -> str:
    lines = [f"mtllib {path.with_suffix('.mtl').name}\nusemtl face"] * (face.texture is not None)
    lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in face.vertices.tolist()]
    corner = "{0}"
    if face.uv is not None:
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in face.uv.tolist()]
        corner = "{0}/{0}"
    corners = [[corner.format(i + 1) for i in triangle] for triangle in face.triangles.tolist()]
    lines += [f"f {' '.join(triangle)}" for triangle in corners]
    return "\n".join([*lines, ""])


def encode_glb(face: Face) -> bytes:
    """A Face as the bytes of a GLB file."""
    buffer = _Buffer()
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": buffer.vectors(face.vertices * _METRES, has_range=True),
            "NORMAL": buffer.vectors(_normals(face)),
        },
        "indices": buffer.indices(face.triangles),
        "material": 0,
    }
    material: dict[str, Any] = {"metallicFactor": 0, "roughnessFactor": 0.8}
    asset: dict[str, Any] = {}
    if face.uv is not None and face.texture is not None:
        uv = np.stack([face.uv[:, 0], 1 - face.uv[:, 1]], axis=1)
        primitive["attributes"]["TEXCOORD_0"] = buffer.vectors(uv)
        image = {"bufferView": buffer.view(encode_png(face.texture)), "mimeType": "image/png"}
        asset = {"images": [image], "textures": [{"source": 0}]}
        material["baseColorTexture"] = {"index": 0}
    mesh: dict[str, Any] = {"name": "face", "primitives": [primitive]}
    if face.targets:
        primitive["targets"] = [
            {"POSITION": buffer.vectors(target * _METRES, has_range=True)}
            for target in face.targets.values()
        ]
        mesh["weights"] = list(map(float, face.weights)) or [0.0] * len(face.targets)
        mesh["extras"] = {"targetNames": list(face.targets)}  # where Blender and three.js look
    return _pack(
        {
            "asset": {"version": "2.0", "generator": "affect4d"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": "face"}],
            "meshes": [mesh],
            "materials": [{"pbrMetallicRoughness": material, "doubleSided": True}],
            **asset,
            **buffer.described(),
        },
        bytes(buffer.content),
    )


def _normals(face: Face) -> NDArray[np.float64]:
    """Unit normals (V, 3); of vertices without a triangle any."""
    normals = vertex_normals(face.vertices, face.triangles)
    normals[~normals.any(axis=1)] = (0, 0, 1)
    return normals


class _Buffer:
    """The binary part of a GLB file, with its views and accessors."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; gives their view's number."""
        self.content += bytes(-len(self.content) % 4)
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content)}
        self.views.append(view | ({"target": target} if target else {}))
        self.content += content
        return len(self.views) - 1

    def vectors(self, vectors: NDArray[np.floating], *, has_range: bool = False) -> int:
        """Append vectors (N, 2) or (N, 3); gives their accessor's number."""
        values = np.ascontiguousarray(vectors, "<f4")
        bounds = {"min": values.min(0).tolist(), "max": values.max(0).tolist()} if has_range else {}
        return self._accessor(values, _FLOAT, _ARRAY, type=f"VEC{values.shape[1]}", **bounds)

    def indices(self, triangles: NDArray[np.integer]) -> int:
        """Append corners of triangles (F, 3); gives their accessor's number."""
        values = np.ascontiguousarray(triangles, "<u4").ravel()
        return self._accessor(values, _UINT, _INDEX, type="SCALAR")

    def _accessor(self, values: NDArray[Any], kind: int, target: int, **about: Any) -> int:
        view = self.view(values.tobytes(), target)
        accessor = {"bufferView": view, "componentType": kind, "count": len(values), **about}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def described(self) -> dict[str, Any]:
        """What the JSON says of it."""
        buffers = [{"byteLength": len(self.content)}]
        return {"buffers": buffers, "bufferViews": self.views, "accessors": self.accessors}


def _pack(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = ((_JSON, text + b" " * (-len(text) % 4)), (_BINARY, binary + bytes(-len(binary) % 4)))
    body = b"".join(struct.pack("<II", len(chunk), kind) + chunk for kind, chunk in chunks)
    return struct.pack("<III", _MAGIC, _VERSION, 12 + len(body)) + body
