"""The root of a build: a folder with a marker file.

Commands that delete take no other folder, and below a root no link to a folder is written through.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from affect4d.store.errors import StoreError
from affect4d.store.regular import read_regular

MARKER = "affect4d-build.json"
CONTENT = b"""{
 "format": "affect4d-build-1",
 "what": "This folder is the root of a build of affect4d, which writes and deletes files in it."
}
"""


def is_root(folder: Path) -> bool:
    """Whether a folder is the root of a build, by its marker file."""
    try:
        return read_regular(Path(folder) / MARKER) == CONTENT
    except OSError:
        return False


def check_folders(path: Path) -> None:
    """Refuse a path of a build that leads through a link.

    Raises
    ------
    StoreError
        A folder between `path` and the root of the build in which it lies is a symbolic link.
    """
    link = None
    for folder in Path(path).absolute().parents:
        if is_root(folder):
            if link is not None:
                what = "this folder of a build is a symbolic link"
                raise StoreError(link, what, "put the folder itself there")
            return
        link = folder if folder.is_symlink() else link


def walk_build(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, without the folders below `root` that are builds of their own."""
    for parent, folders, files in os.walk(root):
        if MARKER in files and Path(parent) != Path(root) and is_root(Path(parent)):
            folders.clear()
            continue
        yield parent, folders, files
