"""Manifests: what an artifact consists of, byte for byte, and what it was built from.

`X.manifest.json` lies beside the artifact `X` and is written last, so an artifact without one does
not exist for any reader. Its bytes are the canonical JSON of its content and it carries its own
digest, so that a single changed bit in it is found as well. It holds no time, host or temporary
path.
"""

import errno
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from affect4d.store import protocol
from affect4d.store.protocol import StoreError

SUFFIX = ".manifest.json"
FORMAT = "affect4d-manifest-1"
REBUILD = "run `affect4d audit --invalidate`, then snakemake"
# A bad sector, a folder in a file's place, a name that leads nowhere: damage, not a lack of rights.
_NAME_BYTES, _PATH_BYTES = 255, 4000
_UNREADABLE = (errno.EIO, errno.EISDIR, errno.ELOOP)

# The packages whose version can change an artifact's bytes.
PACKAGES = (
    "affect4d", "fast-simplification", "libigl", "menpo", "menpo3d", "numba", "numcodecs",
    "numpy", "opencv-python-headless", "pandas", "pillow", "pyarrow", "scikit-image",
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
    settings: dict = field(default_factory=dict)
    code: str = ""

    def describe(self) -> dict:
        """The provenance as JSON values, with the digest of each input and the packages' versions.

        Raises
        ------
        StoreError
            An input is missing.
        """
        described = {
            "inputs": {
                self._name(path): digest(path) for path in sorted(set(map(Path, self.inputs)))
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

    def _name(self, path: Path) -> str:
        absolute, root = path.absolute(), Path(self.root).absolute()
        return (
            absolute.relative_to(root) if absolute.is_relative_to(root) else absolute
        ).as_posix()


@dataclass(frozen=True)
class File:
    """A file of an artifact: path relative to the manifest's folder, size in bytes, sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A manifest read from `path`; without a provenance, `rule` to `versions` are empty.

    `digest` is its own, which covers all the rest.
    """

    path: Path
    artifact: str
    files: tuple[File, ...]
    digest: str
    rule: str = ""
    item: str = ""
    fingerprint: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    code: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def locate(self, file: File) -> Path:
        """Where a listed file lies."""
        return Path(os.path.normpath(self.path.parent / file.path))


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one file of one artifact, and what to do about it."""

    artifact: str
    file: str
    what: str
    remedy: str = REBUILD

    def __str__(self) -> str:
        return f"{self.artifact}: {self.file}: {self.what}; {self.remedy}"


@cache
def versions() -> dict[str, str]:
    """The installed versions of Python and of `PACKAGES`; absent ones are left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def canonical(content: object) -> bytes:
    """The one serialisation of JSON values that manifests use: sorted keys, one newline at the end.

    Raises
    ------
    TypeError, ValueError
        Something in it is no JSON value, or is NaN or infinite.
    """
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def digest(path: Path) -> str:
    """The sha256 of a file.

    Raises
    ------
    StoreError
        It is missing or no regular file.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise StoreError(path, "no such file", "build it first") from error


def manifest_of(path: Path) -> Path:
    """Where the manifest of a store or folder lies: `X.zarr` or `X` -> `X.manifest.json`."""
    path = Path(path)
    if path.name.endswith(SUFFIX):
        return path
    return path.with_name(path.name.removesuffix(".zarr") + SUFFIX)


def record(manifest_path: Path, files: list[Path], provenance: Provenance | None) -> None:
    """Write the manifest of plain files, each digested and flushed.

    A folder stands for all files below it, but the manifest itself.

    Raises
    ------
    StoreError
        A file is missing.
    """
    manifest_path = Path(manifest_path)
    with protocol.explained(manifest_path):
        every = sorted({file for path in files for file in _expand(Path(path))} - {manifest_path})
        for path in [*every, *_folders(every, files)]:
            protocol.fsync(path)
        write_manifest(
            manifest_path, [_describe(path, manifest_path.parent) for path in every], provenance
        )


@contextmanager
def replacing(folder: Path, provenance: Provenance | None) -> Iterator[Path]:
    """Yield a temporary folder to fill; it replaces `folder`, with its manifest, if all goes well.

    All that needs space is flushed before the old manifest gives way, then the old data; the new
    data get their name, then the new manifest. At no moment does a manifest stand beside data that
    are not its own. An exception brings the old ones back; who is killed between these renames, or
    meets a disk that takes none back, leaves no manifest, and the next run builds the artifact
    anew.
    """
    folder = Path(folder)
    path = manifest_of(folder)
    with protocol.temporary(folder) as unfinished:
        yield unfinished
        protocol.fsync_tree(unfinished)
        files = _describe_folder(unfinished, folder.name)
        with protocol.temporary(path) as sealed:
            sealed.write_bytes(_sealed(path, files, provenance))
            protocol.fsync(sealed)
            protocol.replace_all([(unfinished, folder), (sealed, path)])


def write_manifest(path: Path, files: list[File], provenance: Provenance | None) -> None:
    """Write a manifest durably; `record`'s last act."""
    with protocol.atomic(path) as unfinished:
        unfinished.write_bytes(_sealed(path, files, provenance))


def _sealed(path: Path, files: list[File], provenance: Provenance | None) -> bytes:
    """The bytes of the manifest `path`, its own digest among them."""
    root = provenance.root if provenance else path.parent
    content = {
        "format": FORMAT,
        "artifact": Path(os.path.relpath(path, root)).as_posix().removesuffix(SUFFIX),
        "files": [vars(file) for file in sorted(files, key=lambda file: file.path)],
        **(provenance.describe() if provenance else {}),
    }
    content["digest"] = hashlib.sha256(canonical(content)).hexdigest()
    return canonical(content)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest, trusting nothing in it that its own digest does not cover.

    Raises
    ------
    StoreError
        It is missing, not byte for byte what was written, or that of another artifact.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(
            path, "no manifest: the artifact was never committed", "run snakemake"
        ) from error
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise StoreError(path, f"cannot be read ({error.strerror})", REBUILD) from error
    try:
        content = json.loads(raw)
        recorded = content["digest"]
        _check_types(content)
        del content["digest"]
        whole = content.pop("format") == FORMAT
        sealed = canonical({"format": FORMAT, **content})
        whole &= hashlib.sha256(sealed).hexdigest() == recorded
        whole &= canonical({"format": FORMAT, "digest": recorded, **content}) == raw
        if whole:
            files = tuple(File(**entry) for entry in content.pop("files"))
            manifest = Manifest(path=path, files=files, digest=recorded, **content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(path, "the manifest cannot be read", REBUILD) from error
    if not whole:
        raise StoreError(path, "the manifest is not what was written", REBUILD)
    if not _is_at_home(manifest):
        raise StoreError(path, f"is the manifest of {manifest.artifact}", REBUILD)
    return manifest


def _check_types(content: dict) -> None:
    """Raise TypeError where a value is not of its type, ValueError for a name no file can have.

    A digest says that a manifest is what somebody wrote, not that it was this package.
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
            raise ValueError("no size")


def _check_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _check_name(name: str) -> None:
    parts = [len(part.encode()) for part in name.split("/")]
    if not name or "\0" in name or max(parts) > _NAME_BYTES or sum(parts) > _PATH_BYTES:
        raise ValueError(f"{name!r} is no file's name")


def _is_at_home(manifest: Manifest) -> bool:
    """Whether a manifest lies where its artifact does, below whatever root."""
    artifact = [part for part in Path(manifest.artifact + SUFFIX).parts if part != os.pardir]
    path = manifest.path.absolute()
    places = (path, path.parent.resolve() / path.name)
    return any(list(place.parts[-len(artifact) :]) == artifact for place in places)


def is_current(manifest_path: Path, provenance: Provenance) -> bool:
    """Whether the artifact is there, at the recorded sizes, and a rebuild would give the very same.

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


def check_size(manifest: Manifest, file: File) -> Problem | None:
    """The problem of a listed file that is missing or of another size."""
    path = manifest.locate(file)
    if path.is_symlink() or not path.is_file():
        return Problem(manifest.artifact, file.path, "is missing")
    size = path.stat().st_size
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
        if error.errno not in _UNREADABLE:
            raise
        what = f"cannot be read ({error.strerror})"
    return Problem(manifest.artifact, file.path, what)


def unlisted(folder: Path, manifest: Manifest) -> list[Path]:
    """The files below a store's folder that its manifest does not list."""
    listed = {manifest.locate(file) for file in manifest.files}
    return [path for path in _expand(folder) if Path(os.path.normpath(path)) not in listed]


def verify(path: Path) -> list[str]:
    """Every problem of the artifact `path` (a store, or a manifest); empty where it is whole."""
    try:
        manifest = read_manifest(manifest_of(path))
    except StoreError as error:
        return [str(error)]
    problems = [problem for file in manifest.files if (problem := check_digest(manifest, file))]
    problems += [
        Problem(manifest.artifact, str(extra), "is not listed in the manifest")
        for folder in _own_folders(manifest, Path(path))
        for extra in unlisted(folder, manifest)
    ]
    return [str(problem) for problem in problems]


def _own_folders(manifest: Manifest, path: Path) -> list[Path]:
    """The folders that belong to an artifact alone: a store, or one that bears its name."""
    if path.is_dir():
        return [path]
    name = manifest.path.name.removesuffix(SUFFIX)
    store, folder = (manifest.path.with_name(f"{name}{end}") for end in (".zarr", ""))
    listed = any(file.path.startswith(f"{name}/") for file in manifest.files)
    return [own for own, owned in ((store, True), (folder, listed)) if owned and own.is_dir()]


def _folders(every: list[Path], files: list[Path]) -> list[Path]:
    """The folders of the files `every`, up to those that hold the listed `files` themselves."""
    tops = {Path(path).parent for path in files}
    return sorted(
        {
            folder
            for path in every
            for folder in path.parents
            if any(folder.is_relative_to(top) for top in tops)
        }
    )


def _expand(path: Path) -> list[Path]:
    """The regular files at or below `path`, sorted, without the temporaries of writers."""
    if path.is_dir():
        below = sorted(entry for entry in path.rglob("*") if not entry.is_dir())
        return [entry for entry in below if not protocol.is_temporary(entry)]
    if not path.is_file():
        raise StoreError(path, "no such file", "it should have been written before its manifest")
    return [path]


def _describe(path: Path, folder: Path) -> File:
    return File(Path(os.path.relpath(path, folder)).as_posix(), path.stat().st_size, digest(path))


def _describe_folder(folder: Path, name: str) -> list[File]:
    """The files below `folder` as listed once it is called `name` beside its manifest."""
    return [
        File(f"{name}/{path.relative_to(folder).as_posix()}", path.stat().st_size, digest(path))
        for path in _expand(folder)
    ]
