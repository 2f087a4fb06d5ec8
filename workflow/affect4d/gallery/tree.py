"""The scans under a folder: each mesh with its texture and landmarks.

A link counts if what it leads to is under the folder as well.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput

MESHES = (".obj", ".ply", ".wrl", ".bnt")  # of several with one name, the first is taken
TEXTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
LANDMARKS = (".pts", ".ljson", ".lm3", ".bnd")
_HEAD_BYTES = 4096  # of a mesh, in which its texture or material must be named
_MATERIAL_BYTES = 1 << 16  # of a material file


BySuffix = dict[str, dict[str, str]]  # suffix -> stem -> path


@dataclass(frozen=True)
class Scan:
    """Paths of one scan under the root, empty where there is no such file.

    Attributes
    ----------
    stem : the mesh's path without its suffix
    mesh, texture, landmarks : paths of the files
    """

    stem: str
    mesh: str
    texture: str
    landmarks: str


def find_scans(root: str | Path) -> tuple[list[Scan], list[tuple[str, str]]]:
    """Every scan under a folder, in the order of the names, and (path, reason) of ignored meshes.

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
        relative = PurePosixPath(Path(folder).relative_to(root))
        found, refused = _scan_folder(root, relative, names)
        scans += found
        ignored += refused
    if not scans:
        raise BadInput(root, "there is no mesh in it", f"give {', '.join(MESHES)} files")
    return scans, ignored


def _scan_folder(
    root: Path, folder: PurePosixPath, names: list[str]
) -> tuple[list[Scan], list[tuple[str, str]]]:
    """Scans and ignored meshes among the files of one folder."""
    by_suffix: BySuffix = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path per file takes longer)
        by_suffix.setdefault(suffix.lower(), {})[stem] = str(folder / name)
    scans: dict[str, Scan] = {}
    ignored = []
    for suffix in MESHES:
        for stem, path in by_suffix.get(suffix, {}).items():
            reason = _refusal(root, path)
            if not reason and stem in scans:
                reason = "another format of a mesh that is in the table"
            if reason:
                ignored.append((path, reason))
                continue
            scans[stem] = Scan(
                stem=str(folder / stem),
                mesh=path,
                texture=_beside(root, by_suffix, stem, suffixes=TEXTURES)
                or _named_texture(root, path),
                landmarks=_beside(root, by_suffix, stem, suffixes=LANDMARKS),
            )
    return list(scans.values()), ignored


def _refusal(root: Path, path: str) -> str:
    """Why a table of scans cannot hold a path of the tree; empty where it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if "\\" in path or path != path.strip() or not path.isprintable():
        return "its name has characters that a table of scans cannot hold"
    if (root / path).is_symlink() and not _is_inside(root, path):
        return "a link leads out of the folder"
    return "" if (root / path).is_file() else "it is not a file"


def _is_inside(root: Path, path: str) -> bool:
    try:
        inside(root, path)
    except BadInput:
        return False
    return True


def _beside(root: Path, by_suffix: BySuffix, stem: str, *, suffixes: tuple[str, ...]) -> str:
    """The file of the same name with the first of the suffixes; empty where there is none."""
    for suffix in suffixes:
        path = by_suffix.get(suffix, {}).get(stem)
        if path and not _refusal(root, path):
            return path
    return ""


def _named_texture(root: Path, mesh: str) -> str:
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


def _head(path: Path, size: int) -> str:
    try:
        with path.open("rb") as handle:
            return handle.read(size).decode("utf-8", "replace").replace("\r", "")
    except OSError:
        return ""
