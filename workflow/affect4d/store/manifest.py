"""Manifests: the files of an artifact with their sha256, and what the artifact was built from.

`X.manifest.json` lies beside the artifact `X` and is written last: readers ignore an artifact
without one. It is canonical JSON and holds its own digest, so that a single changed bit in it is
detected as well. It holds no time, host or temporary path.
"""

import errno
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affect4d.store import protocol
from affect4d.store.protocol import StoreError
from affect4d.store.regular import read_file, read_regular
from affect4d.system_files import find_files

SUFFIX = ".manifest.json"
FORMAT = "affect4d-manifest-1"
REBUILD = "run `affect4d audit --invalidate`, then snakemake"
# A bad sector, a folder, link, pipe or device in place of a file: damage, not missing permissions.
UNREADABLE = (errno.EIO, errno.EISDIR, errno.ELOOP, errno.ENXIO)
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 4000  # Linux: NAME_MAX, and PATH_MAX (4096) less a root


@dataclass(frozen=True)
class File:
    """A file of an artifact: path relative to the manifest's folder, size in bytes, sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A manifest read from `path`; without a provenance, `rule` to `versions` are empty.

    `digest` is its own, which covers all other fields.
    """

    path: Path
    artifact: str
    files: tuple[File, ...]
    digest: str
    rule: str = ""
    item: str = ""
    fingerprint: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def locate(self, file: File) -> Path:
        """Where a listed file lies."""
        return Path(os.path.normpath(self.path.parent / file.path))


def canonical(content: object) -> bytes:
    """The serialisation of JSON values that manifests use: sorted keys, one newline at the end.

    Raises
    ------
    TypeError, ValueError
        Something in it is no JSON value, or is NaN or infinite.
    """
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def digest(path: Path, *, follow: bool = False) -> str:
    """The sha256 of a file.

    Parameters
    ----------
    path : the file
    follow : whether it may be a symbolic link, as an input outside the results folder may

    Raises
    ------
    StoreError
        It is missing.
    OSError
        It is no regular file, or the system refuses to read it.
    """
    try:
        with read_file(path, follow=follow) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise StoreError(path, "no such file", "build it first") from error


def manifest_of(path: Path) -> Path:
    """Where the manifest of a store or folder lies: `X.zarr` or `X` -> `X.manifest.json`."""
    path = Path(path)
    if path.name.endswith(SUFFIX):
        return path
    return path.with_name(path.name.removesuffix(".zarr") + SUFFIX)


def read_manifest(path: Path, *, placed: bool = True) -> Manifest:
    """Read a manifest and check it against its own digest.

    Parameters
    ----------
    path : the manifest
    placed : whether it must lie beside its artifact

    Raises
    ------
    StoreError
        It is missing, not byte for byte what was written, or that of another artifact.
    """
    path = Path(path)
    try:
        raw = read_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(
            path, "no manifest: the artifact was never committed", "run snakemake"
        ) from error
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        raise StoreError(path, f"cannot be read ({error.strerror})", REBUILD) from error
    try:
        content = json.loads(raw)
        _check_types(content)
        valid = canonical(content) == raw and content.pop("format") == FORMAT
        recorded = content.pop("digest")
        # the digest's line is never the last one: what was digested is the file without it
        digested = raw.replace(b'\n "digest": ' + json.dumps(recorded).encode() + b",", b"", 1)
        valid &= hashlib.sha256(digested).hexdigest() == recorded
        if valid:
            files = tuple(File(**entry) for entry in content.pop("files"))
            manifest = Manifest(path=path, files=files, digest=recorded, **content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(path, "the manifest cannot be read", REBUILD) from error
    if not valid:
        raise StoreError(path, "the manifest is not what was written", REBUILD)
    if placed and not _is_beside_artifact(manifest):
        raise StoreError(path, f"is the manifest of {manifest.artifact}", REBUILD)
    return manifest


def _check_types(content: dict[str, Any]) -> None:
    """Raise TypeError where a value is not of its type, ValueError for an impossible file name.

    A valid digest does not prove that this package wrote the manifest.
    """
    for name in ("artifact", "digest", "rule", "item", "fingerprint", "code"):
        _check_type(content.get(name, ""), str)
    for name in ("inputs", "versions"):
        for key, value in _check_type(content.get(name, {}), dict).items():
            _check_type(value, str)
            if name == "inputs":
                _check_name(key)
    _check_type(content.get("settings", {}), dict)
    _check_name(content["artifact"] + SUFFIX)
    for file in _check_type(content["files"], list):
        _check_name(_check_type(file["path"], str))
        _check_type(file["sha256"], str)
        if isinstance(file["size"], bool) or _check_type(file["size"], int) < 0:
            raise ValueError("a size is negative or not an integer")


def _check_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _check_name(name: str) -> None:
    parts = [len(part.encode()) for part in name.split("/")]
    if not name or "\0" in name or max(parts) > _MAX_NAME_BYTES or sum(parts) > _MAX_PATH_BYTES:
        raise ValueError(f"{name!r} is not a file name")


def _is_beside_artifact(manifest: Manifest) -> bool:
    """Whether a manifest lies beside the artifact that it names, below any root."""
    artifact = [part for part in Path(manifest.artifact + SUFFIX).parts if part != os.pardir]
    path = manifest.path.absolute()
    spellings = (path, path.parent.resolve() / path.name)  # a folder may be a link
    return any(list(spelling.parts[-len(artifact) :]) == artifact for spelling in spellings)


def files_below(path: Path) -> list[Path]:
    """The regular files at or below `path`, sorted, without the temporaries of writers."""
    if path.is_dir():
        below = [entry for entry in find_files(path, "**/*") if not entry.is_dir()]
        return [entry for entry in below if not protocol.is_temporary(entry)]
    if not path.is_file():
        raise StoreError(path, "no such file", "it should have been written before its manifest")
    return [path]
