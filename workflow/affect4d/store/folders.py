"""Whether a folder under `results/` may be replaced: only where this program wrote all of it.

A folder that a rule replaces as a whole holds a list of the files that were written into it, or
their checksums. It gets its name together with them, so a job that is killed leaves none without.
"""

import re
from contextlib import suppress
from pathlib import Path

from affect4d.store.errors import StoreError
from affect4d.store.manifest import files_below, read_manifest
from affect4d.store.protocol import LIST, is_lock
from affect4d.store.regular import read_regular

_CHECKSUMS = "SHA256SUMS"
_MOVE = "move it away, then run snakemake again"
_ZARR = re.compile(r"zarr\.json|[^/]+/zarr\.json|[^/]+/c(/\d+)*")
_CHECKSUM = b'"crc32c"'  # of every array that this program stores; Zarr's own default has none


def list_files(folder: Path) -> None:
    """Write the list of the files that are in a folder, unless their checksums are listed in it."""
    if (folder / _CHECKSUMS).exists():
        return
    names = sorted(path.relative_to(folder).as_posix() for path in files_below(folder))
    with (folder / LIST).open("x", encoding="utf-8") as file:  # no file of that name, nor a link
        file.writelines(f"{name}\n" for name in names)


def check_replaceable(folder: Path, manifest: Path) -> None:
    """Refuse to replace a folder with anything in it that this program did not write.

    Parameters
    ----------
    folder : the folder, which may be missing
    manifest : that of its artifact, in whose list files count as well, as in that of a manifest
        which a killed writer left beside it

    Raises
    ------
    StoreError
        The folder holds such a file, or is no folder.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StoreError(folder, "is in the place of a folder that this rule writes", _MOVE)
    if not folder.exists():
        return
    written = _listed(folder) | _in_manifests(folder, manifest)
    # a link to a folder is a file here: it may be somebody's
    links = [path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()]
    locks = [path for path in folder.rglob(".*.lock") if not is_lock(path)]
    for path in [*links, *locks, *files_below(folder)]:
        name = path.relative_to(folder).as_posix()
        stored = name in written or (folder.suffix == ".zarr" and _is_stored(path, name))
        if path.is_symlink() or not stored:  # this program writes no links
            raise StoreError(path, "was not written by this program", _MOVE)


def _listed(folder: Path) -> set[str]:
    """The names in a folder's own lists: lines of names, and of digests with names."""
    names = {_CHECKSUMS}
    for file in (LIST, _CHECKSUMS):
        with suppress(OSError, UnicodeDecodeError):
            lines = read_regular(folder / file).decode().splitlines()
            names.update(line.split("  ", 1)[-1] for line in lines)
    return names


def _in_manifests(folder: Path, manifest: Path) -> set[str]:
    """The names below a folder that its artifact's manifest lists, or one that a writer left."""
    left = manifest.parent.glob(f".{manifest.name}.tmp-*")
    names = set()
    for path in (manifest, *left):
        try:
            listed = read_manifest(path, placed=False).files
        except (StoreError, OSError):
            continue
        names |= {file.path.removeprefix(f"{folder.name}/") for file in listed}
    return names


def _is_stored(path: Path, name: str) -> bool:
    """Whether a file is part of an array as this program stores them."""
    if not _ZARR.fullmatch(name):
        return False
    if "/" not in name or path.name != "zarr.json":
        return True
    return not path.stat().st_size or _CHECKSUM in read_regular(path)
