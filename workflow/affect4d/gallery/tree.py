"""The scans under a folder: each mesh with its texture and landmarks.

A link counts if what it leads to is under the folder as well.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from affect4d.formats.meshes import find_texture
from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput
from affect4d.system_files import is_hidden

MESHES = (".obj", ".ply", ".wrl", ".bnt")  # of several with one name, the first is taken
TEXTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
LANDMARKS = (".pts", ".ljson", ".lm3", ".bnd")


BySuffix = dict[str, dict[str, str]]  # suffix -> stem -> path


@dataclass(frozen=True)
class Scan:
    """Paths of one scan under the root, empty where there is no such file.

    Attributes
    ----------
    stem : the mesh's path without its suffix
    mesh, texture, landmarks : paths of the files
    problem : why the mesh will be refused for the texture that it names; empty where it will not
    """

    stem: str
    mesh: str
    texture: str
    landmarks: str
    problem: str = ""


def find_scans(root: str | Path) -> tuple[list[Scan], list[tuple[str, str]]]:
    """Every scan under a folder, in the order of the names, and (path, reason) of ignored meshes.

    Hidden files and folders, and those of operating systems, are none.

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
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        relative = PurePosixPath(Path(folder).relative_to(root))
        shown = sorted(name for name in names if not is_hidden(name))
        found, refused = _scan_folder(root, relative, shown)
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
    for name in names:
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
            texture, problem = _texture(root, path)
            scans[stem] = Scan(
                stem=str(folder / stem),
                mesh=path,
                texture=texture or _beside(root, by_suffix, stem, suffixes=TEXTURES),
                landmarks=_beside(root, by_suffix, stem, suffixes=LANDMARKS),
                problem=problem,
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


def _texture(root: Path, mesh: str) -> tuple[str, str]:
    """The texture that the mesh names, as its reader says, and why the mesh cannot be used."""
    try:
        texture = find_texture(root / mesh)
    except BadInput as problem:
        return "", problem.rule
    if texture is None:
        return "", ""
    path = texture.relative_to(root).as_posix()
    return ("" if _refusal(root, path) else path), ""
