"""The crate's data entities: the manifests by folder, the published files, the workflow's files."""

import posixpath
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from affect4d import store
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest
from affect4d.store.manifest import SUFFIX, files_below

Entity = dict[str, Any]

# An artifact of up to so many plain files is described file by file; the manifests list the others.
_MAX_FILES = 16
_FORMATS = {
    ".csv": "text/csv",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".ply": "application/octet-stream",
    ".png": "image/png",
    ".py": "text/x-python",
    ".yaml": "application/yaml",
}


def identifier(path: str) -> str:
    """The @id of a file: its path relative to the crate, with URI escapes."""
    return quote(path, safe="/+")


def reference(id_: str) -> dict[str, str]:
    """A reference to an entity."""
    return {"@id": id_}


def references(ids: Iterable[str]) -> list[dict[str, str]]:
    """References to entities."""
    return [reference(id_) for id_ in ids]


def entity(id_: str, kind: str | list[str], **properties: Any) -> Entity:
    """An entity as RO-Crate writes it: a list of one value as that value, none not at all."""
    return {"@id": id_, "@type": kind} | {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in properties.items()
        if value is not None and value != []
    }


def without_folders(value: Any) -> Any:
    """JSON values in which a path that leads out of the working directory is its last part alone.

    Where files lay on one machine names that machine's folders and users, and is nothing to others.
    """
    if isinstance(value, dict):
        return {key: without_folders(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(below) for below in value]
    if isinstance(value, str) and posixpath.normpath(value).startswith(("/", "../", "~")):
        return posixpath.basename(posixpath.normpath(value))
    return value


class Files:
    """The files of a build that its crate describes.

    Parameters
    ----------
    build : the artifacts
    workflow : the folder with the workflow's files
    """

    def __init__(self, build: Build, workflow: str) -> None:
        self.build, self.workflow = build, workflow

    @property
    def top_level(self) -> list[str]:
        """The entities at the crate's first level: folders, then files."""
        return [*self._folders, *(id_ for id_ in self.described if "/" not in id_)]

    def entities(self) -> list[Entity]:
        """Every folder with its parts, then every file."""
        folders = [
            entity(
                folder,
                "Dataset",
                name=folder.rstrip("/"),
                description="The published dataset."
                if folder == "dataset/"
                else f"Artifacts of the build under {folder}: {len(parts)} files are described "
                "here.",
                hasPart=references(parts),
                exampleOfWork=reference("#output-dataset") if folder == "dataset/" else None,
            )
            for folder, parts in self._folders.items()
        ]
        return [*folders, *self.described.values()]

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        """The files in each folder at the first level."""
        folders: dict[str, list[str]] = {}
        for id_ in self.described:
            top, inside, _ = id_.partition("/")
            if inside:
                folders.setdefault(f"{top}/", []).append(id_)
        return folders

    @cached_property
    def described(self) -> dict[str, Entity]:
        """The entity of every file that has one, by its @id, sorted."""
        described: list[Entity] = []
        for name, manifest in self.build.manifests.items():
            size = sum(file.size for file in manifest.files)
            content = f"{len(manifest.files)} files, {size} bytes"
            about = f"Manifest of {manifest.artifact}: size and sha256 of {content}."
            described.append(self._on_disk(name, about))
            described += [
                _file_entity(*file, about=f"Part of {manifest.artifact}.")
                for file in _plain_files(self.build, manifest)
            ]
        for copy in files_below(self.build.root / self.workflow):
            if copy.is_file():
                name = copy.relative_to(self.build.root).as_posix()
                described.append(self._on_disk(name, "Part of the workflow."))
        by_id = {file["@id"]: file for file in described}
        by_id[identifier(f"{self.workflow}/config.json")] |= {
            "description": "The configuration of this build.",
            "exampleOfWork": reference("#input-config"),
        }
        return dict(sorted(by_id.items()))

    def _on_disk(self, name: str, about: str) -> Entity:
        path = self.build.root / name
        return _file_entity(name, path.stat().st_size, store.digest(path), about=about)


def _plain_files(build: Build, manifest: Manifest) -> list[tuple[str, int, str]]:
    """Path, size and sha256 of the files of an artifact that is no store and has few of them."""
    paths = build.listed(manifest.artifact + SUFFIX)
    files = [(p, f.size, f.sha256) for p, f in zip(paths, manifest.files, strict=True)]
    inside = [f for f in files if not f[0].endswith(SUFFIX) and not Path(f[0]).is_absolute()]
    if len(inside) > _MAX_FILES and manifest.artifact != "dataset":
        return []
    return [] if any(".zarr/" in path for path, _, _ in inside) else inside


def _file_entity(path: str, size: int, sha256: str, *, about: str) -> Entity:
    return entity(
        identifier(path),
        "File",
        name=Path(path).name,
        description=about,
        encodingFormat=_FORMATS.get(Path(path).suffix, "text/plain"),
        contentSize=str(size),
        sha256=sha256,
    )
