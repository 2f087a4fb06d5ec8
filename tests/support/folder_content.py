"""All that lies below a folder, to compare before and after."""

import hashlib
import os
from pathlib import Path

from affect4d.store.build_root import MARKER


def content(folder):
    """{path: what is there}: digests of files, targets of links, modes of all others."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent, name)
            if path.is_symlink():
                what = f"link to {path.readlink()}"
            elif path.is_file():
                what = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                what = oct(path.lstat().st_mode)
            found[path.relative_to(folder).as_posix()] = what
    return found


def build_files(results):
    """Names of all files of a build but the marker of its root, which belongs to no artifact."""
    found = (p for p in results.rglob("*") if p.is_file() and p.name != MARKER)
    return sorted(p.relative_to(results).as_posix() for p in found)
