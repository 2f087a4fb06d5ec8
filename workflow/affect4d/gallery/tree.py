"""The scans that lie under a folder: each mesh with its texture and landmarks.

What a link leads to counts where it is under the folder as well.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput

MESHES = (".obj", ".ply", ".wrl", ".bnt")  # of several with one name, the first counts
TEXTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
LANDMARKS = (".pts", ".ljson", ".lm3", ".bnd")
_HEAD_BYTES = 4096
_MATERIAL_BYTES = 1 << 16


@dataclass(frozen=True)
class Scan:
    """Paths of one scan under the root, empty where there is no such file.

    Attributes
    ----------
    stem : the mesh's, without its suffix
    mesh, texture, landmarks : str
    """

    stem: str
    mesh: str
    texture: str
    landmarks: str


def find_scans(root):
    """Every scan under a folder, in the order of the names.

    Returns
    -------
    (scans, ignored) : list of Scan, list of (path, reason) of the meshes that are left out

    Raises
    ------
    BadInput
        There is no such folder, or no mesh in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise BadInput(root, "there is no such folder", "name the folder of the scans")
    scans: list[Scan] = []
    ignored: list[tuple[str, str]] = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        _add_folder(root, PurePosixPath(Path(folder).relative_to(root)), names, scans, ignored)
    if not scans:
        raise BadInput(root, "there is no mesh in it", f"{', '.join(MESHES)} files are looked for")
    return scans, ignored


def _add_folder(root, place, names, scans, ignored):
    by_suffix: dict[str, dict[str, str]] = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path a file takes longer)
        by_suffix.setdefault(suffix.lower(), {})[stem] = str(place / name)
    known = set()
    for suffix in MESHES:
        for stem, path in by_suffix.get(suffix, {}).items():
            reason = _refusal(root, path)
            if not reason and stem in known:
                reason = "another format of a mesh that is in the table"
            if reason:
                ignored.append((path, reason))
                continue
            known.add(stem)
            texture = _beside(root, stem, TEXTURES, by_suffix) or _named_texture(root, path)
            marks = _beside(root, stem, LANDMARKS, by_suffix)
            scans.append(Scan(str(place / stem), path, texture, marks))


def _refusal(root, path):
    """Why a table of scans cannot hold a path of the tree; empty where it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    if "\\" in path or path != path.strip() or not path.isprintable():
        return "its name has signs that a table of scans cannot hold"
    if (root / path).is_symlink() and not _is_inside(root, path):
        return "a link leads out of the folder"
    return "" if (root / path).is_file() else "it is no file"


def _is_inside(root, path):
    try:
        inside(root, path)
    except BadInput:
        return False
    return True


def _beside(root, stem, suffixes, by_suffix):
    for suffix in suffixes:
        path = by_suffix.get(suffix, {}).get(stem)
        if path and not _refusal(root, path):
            return path
    return ""


def _named_texture(root, mesh):
    """The image that the mesh's head, or the material named there, names."""
    folder = PurePosixPath(mesh).parent
    head = _head(root / mesh, _HEAD_BYTES)
    named = re.search(r"^comment TextureFile (.+)$", head, re.MULTILINE)
    library = re.search(r"^mtllib (.+)$", head, re.MULTILINE)
    if library:
        material = str(folder / library[1].strip())
        text = _head(root / material, _MATERIAL_BYTES) if _is_inside(root, material) else ""
        named = re.search(r"^\s*map_Kd (.+)$", text, re.MULTILINE)
    image = str(folder / named[1].strip()) if named else ""
    return image if image and _is_inside(root, image) and not _refusal(root, image) else ""


def _head(path, size):
    try:
        with path.open("rb") as handle:
            return handle.read(size).decode("utf-8", "replace").replace("\r", "")
    except OSError:
        return ""
