"""A build as one file that can be deposited, and the build again from that file.

The file is a ZIP with the RO-Crate's metadata at its root. It holds what the manifests list, and of
artifacts that are left out the manifests alone, below `left_out/`: they prove the lineage of what
was made from them, and sealed roots.
"""

import hashlib
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tqdm import tqdm

from affect4d import store
from affect4d.artifacts import provenance
from affect4d.pipeline.results_folder import claim_results
from affect4d.provenance.lineage import Build, load_build
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX
from affect4d.store.protocol import fsync, fsync_tree, temporary
from affect4d.store.regular import read_file, read_regular

_BLOCK_BYTES = 2**20
# A file whose size no manifest states: a manifest has some 150 bytes per file of its artifact.
_MAX_UNLISTED_BYTES = 2**30
_ABOUT = tuple(
    file.name()
    for file in (
        provenance.VERDICT, provenance.REPORT_PAGE, provenance.SEAL, provenance.SIGNATURE,
    )
)  # fmt: skip
_COPY_AGAIN = "copy or download the archive again"


@dataclass(frozen=True)
class Archived:
    """How much an archive holds: artifacts, files, bytes, and the names of those left out."""

    artifacts: int
    files: int
    bytes: int
    left_out: list[str]

    def __str__(self) -> str:
        size = f"{self.artifacts} artifacts, {self.files} files, {self.bytes / 1e6:.1f} MB"
        return f"{size}; left out: {', '.join(self.left_out)}" if self.left_out else size


def archive_build(results: Path, out: Path, *, without: Sequence[str] = ()) -> Archived:
    """Write a build into one ZIP, comparing every file with its manifest on the way.

    The same build gives the same bytes.

    Parameters
    ----------
    results : the results folder
    out : the .zip to write, which appears when it is complete
    without : artifacts to leave out, or folders of artifacts, such as `gallery/scans`; what lists
        them, as a job's artifact lists its items, is left out as well

    Raises
    ------
    StoreError
        There is no build, a manifest or a file is not what was written, `out` is no .zip, is there
        or lies in the build, or a name of `without` is that of no artifact.
    """
    build = load_build(results)
    _check_archivable(build, Path(out))
    left_out = _find_left_out(build, without)
    kept = build.without(left_out)
    listed = {path: size for path, size in kept.sizes.items() if path not in kept.manifests}
    with store.atomic(out) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name in filter(lambda name: (build.root / name).is_file(), _ABOUT):
            archive.writestr(_member(name), read_regular(build.root / name))
        for name in kept.manifests:
            archive.writestr(_member(name), read_regular(build.root / name))
        for name, manifest in {**build.left_out, **_manifests(build, left_out)}.items():
            archive.writestr(
                _member(provenance.LEFT_OUT.name(path=name)), read_regular(manifest.path)
            )
        with _bar("archive", sum(listed.values())) as bar:
            for path, size in listed.items():
                with (
                    read_file(build.root / path) as source,
                    archive.open(_member(path), "w", force_zip64=True) as target,
                ):
                    digest = _copy(source, target, size=size, bar=bar)
                if digest != kept.owners[path][1]:
                    what = "has other content than was written"
                    raise StoreError(build.root / path, what, "run `affect4d audit`")
    names = sorted({*build.left_out, *left_out})
    return Archived(len(kept.manifests), len(listed), sum(listed.values()), _artifacts(names))


def restore_build(archive: Path, results: Path) -> Archived:
    """Make a build again from its archive, on which snakemake goes on.

    Every file is compared with its manifest on the way. Times are equal, so that nothing seems
    newer than what was made from it.

    Parameters
    ----------
    archive : as `archive_build` wrote it
    results : a folder that is missing or empty

    Raises
    ------
    StoreError
        The archive is damaged or no such archive, or there is something in the folder.
    """
    results = Path(results)
    if os.path.lexists(results) and not (results.is_dir() and not any(results.iterdir())):
        raise StoreError(results, "is not an empty folder", "name a new folder")
    with temporary(results) as unfinished:
        try:
            with zipfile.ZipFile(archive) as opened:
                unfinished.mkdir()
                restored = _extract(opened, unfinished)
        # NotImplementedError, RuntimeError: other compression, encryption
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise StoreError(archive, f"cannot be read ({error})", _COPY_AGAIN) from error
        except StoreError as error:
            raise StoreError(archive, f"{error.path.name}: {error.what}", error.remedy) from error
        claim_results(unfinished)
        fsync_tree(unfinished)
        unfinished.replace(results)
        fsync(results.parent)
    return restored


def _check_archivable(build: Build, out: Path) -> None:
    for error in build.unreadable.values():
        raise error
    if not build.manifests:
        raise StoreError(build.root, "holds no build", "name the results folder of a build")
    if out.suffix != ".zip" or os.path.lexists(out) or out.resolve().is_relative_to(build.root):
        raise StoreError(out, "is there, no .zip or within the build", "name another file")


def _find_left_out(build: Build, without: Sequence[str]) -> set[str]:
    """The manifests of the artifacts that are named, and all that list one of them."""
    left_out: set[str] = set()
    for name in without:
        folder = f"{name.rstrip('/')}/"
        found = {m for m in build.manifests if m.startswith(folder) or m == name + SUFFIX}
        if not found:
            remedy = "name artifacts or their folders, such as gallery/scans"
            raise StoreError(build.root / name, "no artifact has this name", remedy)
        left_out |= found
    while listing := {
        name
        for name in build.manifests.keys() - left_out
        if not left_out.isdisjoint(build.listed(name))
    }:
        left_out |= listing
    # Without the crate there is no metadata, and nothing would say how the build was made.
    return left_out - {provenance.CRATE.manifest(build.root).name}


def _extract(archive: zipfile.ZipFile, root: Path) -> Archived:
    """Write an archive's members below a new folder, each compared with the manifests."""
    members = {info.filename: info for info in archive.infolist()}
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED:
            raise StoreError(root / info.filename, "is compressed", _COPY_AGAIN)
    if len(members) != len(archive.infolist()) or not all(map(_is_inside, members)):
        raise StoreError(root, "its names repeat or lead elsewhere", _COPY_AGAIN)
    unlisted = [name for name in members if name.endswith(SUFFIX) or name in _ABOUT]
    for name in unlisted:
        _write(archive, members[name], root)
    build = load_build(root)
    for error in build.unreadable.values():
        raise error
    listed = build.owners.keys() - build.manifests.keys()
    if not build.manifests or listed != members.keys() - set(unlisted):
        other = min(listed ^ (members.keys() - set(unlisted)), default="no manifest")
        raise StoreError(root / other, "missing, or listed by no manifest", _COPY_AGAIN)
    sizes = {name: build.sizes[name] for name in sorted(listed)}
    for name, size in sizes.items():
        if members[name].file_size != size:
            raise StoreError(root / name, "has another size than was written", _COPY_AGAIN)
    with _bar("restore", sum(sizes.values())) as bar:
        for name in sizes:
            if _write(archive, members[name], root, bar=bar) != build.owners[name][1]:
                raise StoreError(root / name, "has other content than was written", _COPY_AGAIN)
    moment = min(path.stat().st_mtime for path in map(root.joinpath, unlisted))
    for name in members:
        os.utime(root / name, (moment, moment))
    return Archived(
        len(build.manifests), len(sizes), sum(sizes.values()), _artifacts(build.left_out)
    )


def _write(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, root: Path, *, bar: "tqdm[None] | None" = None
) -> str:
    """Write a member below the root; the sha256 of its content."""
    path = root / info.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    if bar is None and info.file_size > _MAX_UNLISTED_BYTES:
        raise StoreError(path, f"has {info.file_size} bytes", _COPY_AGAIN)
    with archive.open(info) as source, path.open("xb") as target:
        return _copy(source, target, size=info.file_size, bar=bar)


def _copy(
    source: IO[bytes], target: IO[bytes], *, size: int, bar: "tqdm[None] | None" = None
) -> str:
    """Copy a file of a known size, no more of it; the sha256 of what was copied."""
    digest = hashlib.sha256()
    while block := source.read(min(_BLOCK_BYTES, size)):
        size -= len(block)
        target.write(block)
        digest.update(block)
        if bar is not None:
            bar.update(len(block))
    return digest.hexdigest()


def _member(name: str) -> zipfile.ZipInfo:
    """A member without a time, not compressed: what is large is so already."""
    return zipfile.ZipInfo(name)


def _is_inside(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return "\\" not in name and not any(part in ("", ".", "..") for part in parts)


def _manifests(build: Build, names: set[str]) -> dict[str, store.Manifest]:
    return {name: build.manifests[name] for name in sorted(names)}


def _artifacts(manifests: Sequence[str] | dict[str, store.Manifest]) -> list[str]:
    return [name.removesuffix(SUFFIX) for name in manifests]


def _bar(text: str, total: int) -> "tqdm[None]":
    return tqdm(total=total, unit="B", unit_scale=True, desc=text, mininterval=1)
