"""Committing artifacts: a manifest with digests and the provenance is written last."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from affect4d.store import protocol
from affect4d.store.checks import check_size
from affect4d.store.folders import check_replaceable, list_files
from affect4d.store.manifest import (
    FORMAT,
    SUFFIX,
    File,
    canonical,
    digest,
    files_below,
    manifest_of,
    read_manifest,
)
from affect4d.store.protocol import StoreError

# The packages whose version can change an artifact's bytes.
PACKAGES = (
    "affect4d", "fast-simplification", "libigl", "mapbox-earcut", "menpo", "numba",
    "numcodecs", "numpy", "opencv-python-headless", "pandas", "pillow", "pyarrow", "scikit-image",
    "scikit-learn", "scipy", "zarr",
)  # fmt: skip


@dataclass(frozen=True)
class Provenance:
    """What an artifact is built from.

    Attributes
    ----------
    root : the results folder; paths inside it are recorded relative to it, all others absolute
    rule : the rule that builds it
    item : the wildcards of the rule, or the item within a chunk
    inputs : manifests of other artifacts, and files from outside
    settings : the part of the configuration that matters, as JSON values
    code : the digest of the library modules that matter
    """

    root: Path
    rule: str
    item: str
    inputs: list[Path] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    def describe(self) -> dict[str, Any]:
        """The provenance as JSON values, with the digest of each input and the packages' versions.

        Raises
        ------
        StoreError
            An input is missing, or no regular file.
        """
        described = {
            "inputs": {
                self._name(path): self._digest(path) for path in sorted(set(map(Path, self.inputs)))
            },
            "settings": self.settings,
            "code": self.code,
            "versions": versions(),
        }
        return {
            "rule": self.rule,
            "item": self.item,
            "fingerprint": hashlib.sha256(canonical(described)).hexdigest(),
            **described,
        }

    def _digest(self, path: Path) -> str:
        with protocol.translate_errors(path):
            return digest(path, follow=Path(self._name(path)).is_absolute())

    def _name(self, path: Path) -> str:
        absolute, root = path.absolute(), Path(self.root).absolute()
        return (
            absolute.relative_to(root) if absolute.is_relative_to(root) else absolute
        ).as_posix()


@cache
def versions() -> dict[str, str]:
    """The installed versions of Python and of `PACKAGES`; absent ones are left out."""
    installed = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def record(manifest_path: Path, files: list[Path], provenance: Provenance | None) -> None:
    """Write the manifest of plain files, each digested and flushed.

    A folder means all files below it except the manifest itself.

    Raises
    ------
    StoreError
        A file is missing.
    """
    manifest_path = Path(manifest_path)
    with protocol.translate_errors(manifest_path):
        listed = sorted(
            {file for path in files for file in files_below(Path(path))} - {manifest_path}
        )
        for path in [*listed, *_folders(listed, files)]:
            protocol.fsync(path)
        write_manifest(
            manifest_path, [_describe(path, manifest_path.parent) for path in listed], provenance
        )


@contextmanager
def atomic_replace(folder: Path, provenance: Provenance | None) -> Iterator[Path]:
    """Yield a temporary folder to fill; it replaces `folder`, with its manifest, on success.

    All that needs space is flushed first. Then the old manifest is renamed away, then the old data;
    the new data get their name, then the new manifest. At no moment is a manifest beside data that
    it does not describe. An exception restores the old ones; a process killed between these
    renames, or a disk that refuses to restore, leaves no manifest, and the next run rebuilds the
    artifact.

    Raises
    ------
    StoreError
        `folder` holds something that this program did not write; nothing was changed.
    """
    folder = Path(folder)
    path = manifest_of(folder)
    with protocol.temporary(folder) as unfinished:
        check_replaceable(folder, path)
        yield unfinished
        if folder.suffix != ".zarr":
            list_files(unfinished)
        protocol.fsync_tree(unfinished)
        check_replaceable(folder, path)
        files = _describe_folder(unfinished, folder.name)
        with protocol.temporary(path) as manifest:
            manifest.write_bytes(_serialise(path, files, provenance))
            protocol.fsync(manifest)
            protocol.replace_all([(unfinished, folder), (manifest, path)])


@contextmanager
def replace_folder(folder: Path, manifest: Path) -> Iterator[Path]:
    """Yield a new temporary folder to fill; it replaces `folder` on success.

    The manifest that describes the old one is removed first; the caller records the new one.

    Raises
    ------
    StoreError
        `folder` holds something that this program did not write; nothing was changed.
    """
    with protocol.temporary(folder) as unfinished:
        check_replaceable(folder, manifest)
        unfinished.mkdir()
        yield unfinished
        list_files(unfinished)
        protocol.fsync_tree(unfinished)
        check_replaceable(folder, manifest)
        manifest.unlink(missing_ok=True)
        protocol.replace_all([(unfinished, folder)])


def write_manifest(path: Path, files: list[File], provenance: Provenance | None) -> None:
    """Write a manifest durably."""
    with protocol.atomic(path) as unfinished:
        unfinished.write_bytes(_serialise(path, files, provenance))


def _serialise(path: Path, files: list[File], provenance: Provenance | None) -> bytes:
    """The bytes of the manifest `path`, with its digest."""
    root = provenance.root if provenance else path.parent
    content = {
        "format": FORMAT,
        "artifact": Path(os.path.relpath(path, root)).as_posix().removesuffix(SUFFIX),
        "files": [vars(file) for file in sorted(files, key=lambda file: file.path)],
        **(provenance.describe() if provenance else {}),
    }
    content["digest"] = hashlib.sha256(canonical(content)).hexdigest()
    return canonical(content)


def is_current(manifest_path: Path, provenance: Provenance) -> bool:
    """Whether the artifact exists with the recorded sizes and provenance.

    True only if inputs, settings, code and versions are those it was built from.
    """
    try:
        manifest = read_manifest(manifest_path)
        described = provenance.describe()
    except StoreError:
        return False
    same = all(
        getattr(manifest, name) == described[name] for name in ("rule", "item", "fingerprint")
    )
    return same and not any(check_size(manifest, file) for file in manifest.files)


def _folders(listed: list[Path], files: list[Path]) -> list[Path]:
    """The folders of the files `listed`, up to the parents of `files`."""
    tops = {Path(path).parent for path in files}
    return sorted(
        {
            folder
            for path in listed
            for folder in path.parents
            if any(folder.is_relative_to(top) for top in tops)
        }
    )


def _describe(path: Path, folder: Path) -> File:
    return File(Path(os.path.relpath(path, folder)).as_posix(), path.stat().st_size, digest(path))


def _describe_folder(folder: Path, name: str) -> list[File]:
    """The files below `folder` as they are listed when it is renamed to `name`."""
    return [
        File(f"{name}/{path.relative_to(folder).as_posix()}", path.stat().st_size, digest(path))
        for path in files_below(folder)
    ]
