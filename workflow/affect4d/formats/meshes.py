"""Textured triangle meshes from OBJ, PLY, WRL and BNT, in millimetres."""

from pathlib import Path

from affect4d.formats.bnt import read_bnt
from affect4d.formats.obj import read_obj
from affect4d.formats.ply import read_ply, write_ply
from affect4d.formats.polygons import Mesh, check_mesh
from affect4d.formats.wrl import read_wrl
from affect4d.quarantine import BadInput

__all__ = ["Mesh", "check_mesh", "read_mesh", "write_ply"]

_READERS = {".bnt": read_bnt, ".obj": read_obj, ".ply": read_ply, ".wrl": read_wrl}


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
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise BadInput(path, f"unknown mesh format {path.suffix!r}", f"give one of {known}")
    try:
        mesh = reader(path)
    except BadInput:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split())[:160]
        raise BadInput(
            path, f"cannot be read as a mesh ({reason})", "export the scan again"
        ) from None
    return check_mesh(mesh, path)
