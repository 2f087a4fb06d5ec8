"""Files that a manifest lists, read once and compared with it: what is used is what was written."""

import functools
import hashlib
import os
import re
from pathlib import Path

from affect4d.store.manifest import REBUILD, UNREADABLE, File, Manifest, read_manifest
from affect4d.store.protocol import StoreError
from affect4d.store.regular import read_file as read_regular_file

NO_SHARD = -1  # in place of a shard's number: a file that belongs to the array as a whole
_MANIFESTS_KEPT = 16  # a job reads the files of a few artifacts; one of them may list thousands


def read_listed(path: Path, manifest: Path) -> bytes:
    """All bytes of a regular file, which are those that `manifest` lists.

    Raises
    ------
    StoreError
        The manifest is missing or damaged or does not list the file, or the file is missing, of
        another size, or of another content.
    """
    listed = _find(path, manifest)
    try:
        with read_regular_file(path) as file:
            _check_size(path, listed, os.fstat(file.fileno()).st_size)
            content = file.readall()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(path, "is missing", REBUILD) from error
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        raise StoreError(path, f"cannot be read ({error.strerror})", REBUILD) from error
    _check(path, listed, content)
    return content


def check_listed(path: Path, manifest: Path, content: bytes | None) -> None:
    """Compare what was read from a file with its manifest; None where the file is not there.

    Raises
    ------
    StoreError
        As `read_listed`.
    """
    listed = _find(path, manifest)
    if content is None:
        raise StoreError(path, "is missing", REBUILD)
    _check(path, listed, content)


def _find(path: Path, manifest: Path) -> File:
    try:
        state = manifest.stat()
        files = _listed(manifest, state.st_mtime_ns, state.st_size, inode=state.st_ino)
    except (FileNotFoundError, NotADirectoryError):
        files = _by_path(read_manifest(manifest))
    listed = files.get(os.path.normpath(path.absolute()))
    if listed is None:
        raise StoreError(path, f"is not listed in {manifest.name}", REBUILD)
    return listed


@functools.lru_cache(_MANIFESTS_KEPT)
def _listed(manifest: Path, _time_ns: int, _size: int, *, inode: int) -> dict[str, File]:
    """The listed files of a manifest by absolute path, as long as it stays as it is on the disk."""
    return _by_path(read_manifest(manifest))


def _by_path(manifest: Manifest) -> dict[str, File]:
    folder = manifest.path.absolute().parent
    return {os.path.normpath(folder / file.path): file for file in manifest.files}


def _check(path: Path, listed: File, content: bytes) -> None:
    _check_size(path, listed, len(content))
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise StoreError(path, "has other content than was written (sha256)", REBUILD)


def _check_size(path: Path, listed: File, size: int) -> None:
    if size != listed.size:
        raise StoreError(path, f"has {size} bytes in place of {listed.size}", REBUILD)


def files_by_shard(store: str, manifest: Manifest) -> dict[str, dict[int, list[File]]]:
    """The files of each array by the shard that they are, whose number is its place in the rows.

    Shards hold complete rows: `STORE/ARRAY/c/NUMBER/0/0`. All others are needed for any read.
    """
    arrays: dict[str, dict[int, list[File]]] = {}
    for file in manifest.files:
        found = re.fullmatch(rf"{re.escape(store)}/([^/]+)/(?:c/(\d+)(?:/.*)?|.*)", file.path)
        if found:
            number = NO_SHARD if found[2] is None else int(found[2])
            arrays.setdefault(found[1], {}).setdefault(number, []).append(file)
    return arrays
