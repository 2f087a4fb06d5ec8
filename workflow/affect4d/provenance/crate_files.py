"""The crate's data entities: the manifests by folder, the published files, the workflow's files."""

from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from affect4d import store
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest
from affect4d.store.manifest import SUFFIX

# An artifact of up to so many plain files is described file by file; the manifests list the rest.
_FEW = 16
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


def identifier(path: str, folder: bool = False) -> str:
    """The @id of a file or folder: its path relative to the crate, with URI escapes."""
    return quote(path, safe="/+") + ("/" if folder else "")


def reference(id_: str) -> dict[str, str]:
    """A reference to an entity."""
    return {"@id": id_}


_REALIZES = {"exampleOfWork": reference("#output-dataset")}


class Files:
    """The files of a build that its crate describes.

    Parameters
    ----------
    build : the artifacts
    own : the folder with the workflow's files
    """

    def __init__(self, build: Build, own: str):
        self.build, self.own = build, own

    @property
    def top(self) -> list[str]:
        """The entities at the crate's first level."""
        return [*self._folders, *self._loose]

    def entities(self) -> list[dict[str, Any]]:
        """Every folder with its parts, then every file."""
        folders = [
            {
                "@id": folder,
                "@type": "Dataset",
                "name": folder.rstrip("/"),
                "description": _about(folder, parts),
                "hasPart": [reference(part) for part in parts],
                **(_REALIZES if folder == "dataset/" else {}),
            }
            for folder, parts in self._folders.items()
        ]
        return [*folders, *self.described.values()]

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = {}
        for id_ in self.described:
            top, inside, _ = id_.partition("/")
            if inside:
                folders.setdefault(f"{top}/", []).append(id_)
        return folders

    @cached_property
    def _loose(self) -> list[str]:
        return [id_ for id_ in self.described if "/" not in id_]

    @cached_property
    def described(self) -> dict[str, dict[str, Any]]:
        """The entity of every file that has one, by its @id, sorted."""
        found: dict[str, dict[str, Any]] = {}
        for name, manifest in self.build.manifests.items():
            what = f"Manifest of {manifest.artifact}: size and sha256 of {_count(manifest)}."
            found[identifier(name)] = _file(self.build.root, name, what)
            for path, size, sha256 in _plain(self.build, manifest):
                found[identifier(path)] = _entity(
                    path, size, sha256, f"Part of {manifest.artifact}."
                )
        for copy in sorted((self.build.root / self.own).rglob("*")):
            if copy.is_file():
                name = copy.relative_to(self.build.root).as_posix()
                found[identifier(name)] = _file(self.build.root, name, "Part of the workflow.")
        config = identifier(f"{self.own}/config.json")
        found[config] |= {
            "description": "The configuration of this build.",
            "exampleOfWork": reference("#input-config"),
        }
        return dict(sorted(found.items()))


def _about(folder: str, parts: list[str]) -> str:
    if folder == "dataset/":
        return "The published dataset."
    return f"Artifacts of the build under {folder}: {len(parts)} files are described here."


def _count(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {sum(file.size for file in manifest.files)} bytes"


def _plain(build: Build, manifest: Manifest) -> list[tuple[str, int, str]]:
    """Path, size and sha256 of the files of an artifact that is no store and has few of them."""
    paths = build.listed(manifest.artifact + SUFFIX)
    files = [(p, f.size, f.sha256) for p, f in zip(paths, manifest.files, strict=True)]
    inside = [f for f in files if not f[0].endswith(SUFFIX) and not Path(f[0]).is_absolute()]
    few = len(inside) <= _FEW or manifest.artifact == "dataset"
    return inside if few and not any(".zarr/" in path for path, _, _ in inside) else []


def _file(root: Path, name: str, what: str) -> dict[str, Any]:
    path = root / name
    return _entity(name, path.stat().st_size, store.digest(path), what)


def _entity(path: str, size: int, sha256: str, what: str) -> dict[str, Any]:
    return {
        "@id": identifier(path),
        "@type": "File",
        "name": Path(path).name,
        "description": what,
        "encodingFormat": _FORMATS.get(Path(path).suffix, "text/plain"),
        "contentSize": str(size),
        "sha256": sha256,
    }
