"""Problems of an artifact: files missing, truncated, changed, or not listed in its manifest."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from affect4d.store.manifest import (
    REBUILD,
    SUFFIX,
    UNREADABLE,
    File,
    Manifest,
    digest,
    files_below,
    manifest_of,
    read_manifest,
)
from affect4d.store.protocol import StoreError


@dataclass(frozen=True)
class Problem:
    """One problem of one file of one artifact, and its remedy."""

    artifact: str
    file: str
    what: str
    remedy: str = REBUILD

    def __str__(self) -> str:
        return f"{self.artifact}: {self.file}: {self.what}; {self.remedy}"


def check_size(manifest: Manifest, file: File) -> Problem | None:
    """The problem of a listed file that is missing or of another size."""
    path = manifest.locate(file)
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        state = None
    if state is None or not stat.S_ISREG(state.st_mode):
        return Problem(manifest.artifact, file.path, "is missing")
    size = state.st_size
    if size != file.size:
        return Problem(manifest.artifact, file.path, f"has {size} bytes in place of {file.size}")
    return None


def check_digest(
    manifest: Manifest, file: File, digest: Callable[[Path], str] = digest
) -> Problem | None:
    """The problem of a listed file that is missing, of another size, or of another content."""
    problem = check_size(manifest, file)
    if problem is not None:
        return problem
    what = "has other content than was written (sha256)"
    try:
        if digest(manifest.locate(file)) == file.sha256:
            return None
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        what = f"cannot be read ({error.strerror})"
    return Problem(manifest.artifact, file.path, what)


def unlisted(folder: Path, manifest: Manifest) -> list[Path]:
    """The files below a store's folder that its manifest does not list."""
    listed = {manifest.locate(file) for file in manifest.files}
    return [path for path in files_below(folder) if Path(os.path.normpath(path)) not in listed]


def verify(path: Path) -> list[str]:
    """Every problem of the artifact `path` (a store, or a manifest); empty where it is intact."""
    try:
        manifest = read_manifest(manifest_of(path))
    except StoreError as error:
        return [str(error)]
    problems = [problem for file in manifest.files if (problem := check_digest(manifest, file))]
    problems += [
        Problem(manifest.artifact, str(extra), "is not listed in the manifest")
        for folder in _folders_of(manifest, Path(path))
        for extra in unlisted(folder, manifest)
    ]
    return [str(problem) for problem in problems]


def _folders_of(manifest: Manifest, path: Path) -> list[Path]:
    """The folders that hold nothing but one artifact: a store, or a folder of the same name."""
    if path.is_dir():
        return [path]
    name = manifest.path.name.removesuffix(SUFFIX)
    store, folder = (manifest.path.with_name(f"{name}{end}") for end in (".zarr", ""))
    listed = any(file.path.startswith(f"{name}/") for file in manifest.files)
    return [path for path, has in ((store, True), (folder, listed)) if has and path.is_dir()]
