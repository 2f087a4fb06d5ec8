"""Textured triangle meshes from OBJ, PLY, WRL and BNT, in millimetres."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from affect4d.formats.bnt import find_bnt_texture, read_bnt
from affect4d.formats.obj import find_obj_texture, read_obj
from affect4d.formats.ply import find_ply_texture, read_ply, write_ply
from affect4d.formats.polygons import Mesh, check_mesh
from affect4d.formats.wrl import find_wrl_texture, read_wrl
from affect4d.quarantine import BadInput

__all__ = ["Mesh", "check_mesh", "find_texture", "read_mesh", "write_ply"]

_MAX_REASON = 160  # characters of a parser's message
Result = TypeVar("Result")
_READERS = {".bnt": read_bnt, ".obj": read_obj, ".ply": read_ply, ".wrl": read_wrl}
_TEXTURES = {
    ".bnt": find_bnt_texture,
    ".obj": find_obj_texture,
    ".ply": find_ply_texture,
    ".wrl": find_wrl_texture,
}


def read_mesh(path: Path | str) -> Mesh:
    """Read a scan: OBJ, PLY (ASCII, binary), WRL (VRML 2.0) or BNT (Bosphorus).

    Files of more than 256 MB, and of more than five million vertices or triangles, are refused;
    memory is at most a small multiple of the file's size, whatever its header announces.

    Returns
    -------
    where corners of one vertex have several texture coordinates, the vertex is split

    Raises
    ------
    BadInput
        The file is missing, of another format, truncated, empty, has vertices that are not
        finite or triangles that name vertices it does not have.
    """
    path = Path(path)
    return check_mesh(_call(_READERS, path), path)


def find_texture(path: Path | str) -> Path | None:
    """The texture that `read_mesh` gives, whether its file exists or not, without the mesh.

    Raises
    ------
    BadInput
        As for `read_mesh`, as far as the file is read.
    """
    return _call(_TEXTURES, Path(path))


def _call(functions: Mapping[str, Callable[[Path], Result]], path: Path) -> Result:
    """What the function for the file's suffix returns."""
    function = functions.get(path.suffix.lower())
    if function is None:
        known = ", ".join(sorted(functions))
        raise BadInput(path, f"unknown mesh format {path.suffix!r}", f"give one of {known}")
    try:
        return function(path)
    except BadInput:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise BadInput(
            path, f"cannot be read as a mesh ({reason})", "export the scan again"
        ) from None
