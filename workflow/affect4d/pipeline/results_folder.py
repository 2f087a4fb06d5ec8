"""The results folder: an empty folder or a build's own becomes, and stays, the root of a build."""

import os
import re
from pathlib import Path

from affect4d.artifacts.registry import artifacts
from affect4d.store import Manifest, StoreError, atomic, read_manifest
from affect4d.store.build_root import CONTENT, MARKER, is_root
from affect4d.store.folders import list_files
from affect4d.store.manifest import SUFFIX, files_below
from affect4d.store.protocol import LIST, is_temporary
from affect4d.system_files import is_system_file

# Snakemake makes their folders before a job starts.
_WRITTEN_BEFORE = {"logs", "benchmarks"}


def claim_results(root: Path) -> None:
    """Write the marker file by which a folder is the root of a build, unless it is there.

    Raises
    ------
    StoreError
        The folder holds files, and no build.
    """
    if is_root(root):
        return
    # asked once more at the end: another job may have claimed it and written there meanwhile
    manifests = _own_manifests(root)
    if not (manifests or _is_empty(root) or is_root(root)):
        remedy = "set `results` to a new or an empty folder, or move the files away"
        raise StoreError(root, "holds files and no build of this program", remedy)
    for manifest in manifests:
        _list_folders(manifest)
    try:
        with atomic(root / MARKER) as unfinished:
            unfinished.write_bytes(CONTENT)
    except StoreError:
        if not is_root(root):  # else another job is writing it
            raise


def _list_folders(manifest: Manifest) -> None:
    """List the files of folders that a version without such lists wrote: theirs, if all is."""
    parts = [Path(file.path).parts for file in manifest.files]
    for name in {first for first, *others in parts if others} - {".."}:
        folder = manifest.path.parent / name
        names = {file.path for file in manifest.files}
        if folder.suffix == ".zarr" or folder.is_symlink() or not folder.is_dir():
            continue
        if os.path.lexists(folder / LIST):
            continue
        if {path.relative_to(folder.parent).as_posix() for path in files_below(folder)} <= names:
            list_files(folder)


def _is_empty(root: Path) -> bool:
    """Whether a folder is missing, or holds no file but what Snakemake and writers make."""
    for parent, folders, files in os.walk(root):
        if Path(parent) == root:
            folders[:] = [name for name in folders if name not in _WRITTEN_BEFORE]
        if any(not (is_temporary(Path(name)) or is_system_file(name)) for name in files):
            return False
    return True


def _own_manifests(root: Path) -> list[Manifest]:
    """The valid manifests of declared artifacts that lie at their place below a folder."""
    found = []
    for declared in artifacts():
        for path in sorted(root.glob(re.sub(r"\{\w+\}", "*", declared.pattern) + SUFFIX)):
            try:
                manifest = read_manifest(path)
            except (StoreError, OSError):
                continue
            if manifest.rule and manifest.artifact + SUFFIX == path.relative_to(root).as_posix():
                found.append(manifest)
    return found
