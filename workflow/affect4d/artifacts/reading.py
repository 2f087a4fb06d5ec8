"""Files of a build are read here: nothing is used that is not what its manifest lists.

A declared file is found by its path, in whatever folder the build lies. Stores compare their own
files (`affect4d.store.open`).
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from affect4d.artifacts.registry import artifacts, files, find_file
from affect4d.store import StoreError
from affect4d.store.listed import check_listed, read_listed


def open_file(path: Path | str) -> io.BytesIO:
    """A file of a build, such as a table, in memory: its bytes are those of its manifest.

    Parameters
    ----------
    path : below a results folder, as declared in this package

    Raises
    ------
    StoreError
        The file or its manifest is missing or not what was written.
    """
    return io.BytesIO(read_file(path))


def read_file(path: Path | str) -> bytes:
    """All bytes of a file of a build; otherwise as `open_file`."""
    path = Path(path)
    manifests = list(_manifests(path))
    if not manifests:
        raise StoreError(path, "no artifact of a build has such a file", "name one that has")
    return read_listed(path, next(filter(Path.is_file, manifests), manifests[0]))


def check_content(path: Path | str, content: bytes | None) -> None:
    """Compare what was read from a file with its manifest, where it belongs to a build.

    Parameters
    ----------
    path : of any file
    content : all its bytes; None where it is not there

    Raises
    ------
    StoreError
        It lies in a build, and is not what was written there.
    """
    path = Path(path)
    manifest = next(filter(Path.is_file, _manifests(path)), None)
    if manifest is not None:
        check_listed(path, manifest, content)


def _manifests(path: Path) -> Iterator[Path]:
    """Where the manifest of a declared file may lie; folders above may have a build's names too."""
    parts = Path(os.path.normpath(path.absolute())).parts
    tops = {file.pattern.split("/")[0] for file in files()}
    for start in reversed(range(1, len(parts))):
        file = find_file("/".join(parts[start:])) if parts[start] in tops else None
        if file is None:
            continue
        fields = file.match("/".join(parts[start:])) or {}
        for artifact in artifacts():
            if artifact.has_manifest and any(file is one for one in artifact.files):
                yield artifact.manifest(Path(*parts[:start]), **fields)
