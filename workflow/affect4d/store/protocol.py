"""How a file or folder under `results/` comes into being whole or not at all.

A writer holds the artifact's lock, fills a temporary name in the same folder, flushes it, and
renames it over the final name. `flock` is released by the kernel when a job is killed, on whatever
node, so a temporary whose lock can be taken has no live writer and may be swept.
"""

import fcntl
import itertools
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.tmp-[^/]+-\d+-\d+(\.[^.]+)?$")
_LOCK = re.compile(r"^\.(?P<name>.+)\.lock$")
_serial = itertools.count()


class StoreError(Exception):
    """What is wrong with a stored file, as one line: `FILE: WHAT; REMEDY`."""

    def __init__(self, path: Path | str, what: str, remedy: str):
        super().__init__(f"{path}: {what}; {remedy}")
        self.path, self.what, self.remedy = Path(path), what, remedy

    def __reduce__(self) -> tuple:
        return StoreError, (self.path, self.what, self.remedy)


def fsync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flush every file below `folder`, then every folder, the innermost first."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            fsync(Path(parent, name))
        fsync(Path(parent))


def is_temporary(path: Path) -> bool:
    """Whether the name is one that a writer gives to something unfinished, or to its lock."""
    return bool(_TEMPORARY.match(path.name) or _LOCK.match(path.name))


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the right to write the artifact `path`.

    Raises
    ------
    StoreError
        Another writer holds it, in this process or any other.
    """
    name = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(name)
    if descriptor is None:
        raise StoreError(
            path,
            f"is being written by {_holder(name)}",
            "wait for that job, or end it, and run again",
        )
    try:
        yield
    finally:
        name.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` to fill, under the lock of `path`; whatever is left of it is removed.

    What killed writers of the same artifact left behind is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path):
        for stale in _temporaries_of(path):
            remove(stale)
        unfinished = temporary_name(path)
        try:
            yield unfinished
        finally:
            remove(unfinished)


def temporary_name(path: Path) -> Path:
    """A fresh name in the folder of `path` that says who writes there; it keeps a file's suffix."""
    host = re.sub(r"[^\w.]", "_", socket.gethostname())
    suffix = "" if path.suffix == ".zarr" else path.suffix
    return path.with_name(f".{path.name}.tmp-{host}-{os.getpid()}-{next(_serial)}{suffix}")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; flush and rename it if the block succeeds.

    The temporary keeps the suffix, by which writers choose a format. An exception leaves what
    `path` held before.
    """
    path = Path(path)
    with temporary(path) as unfinished:
        yield unfinished
        fsync(unfinished)
        unfinished.replace(path)
        fsync(path.parent)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path` durably; a folder of that name gives way first."""
    old = temporary_name(path)
    if path.exists():
        path.rename(old)
    new.rename(path)
    fsync(path.parent)
    remove(old)


def remove(path: Path) -> None:
    """Delete a file or a folder with all below it; nothing happens if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def stale_temporaries(root: Path) -> list[Path]:
    """The temporaries under `root`, at any depth, that no live writer holds; sorted."""
    found = []
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            match = _TEMPORARY.match(name)
            if match and not _is_locked(Path(parent, match["name"])):
                found.append(Path(parent, name))
        folders[:] = [name for name in folders if not _TEMPORARY.match(name)]
    return sorted(found)


def sweep(root: Path) -> list[Path]:
    """Remove the temporaries and locks under `root` that killed writers left; return the former."""
    stale = stale_temporaries(root)
    for path in stale:
        artifact = path.with_name(_TEMPORARY.match(path.name)["name"])  # type: ignore[index]
        with lock(artifact):
            remove(path)
    for path in list(Path(root).rglob(".*.lock")):
        descriptor = _acquire(path)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)
    return stale


def _acquire(name: Path) -> int | None:
    """An open descriptor that holds the lock file `name`, or None where another holds it."""
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        # The last holder may have removed the file between our open and our lock.
        if _is_same_file(descriptor, name):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)


def _is_same_file(descriptor: int, name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), name.stat())
    except FileNotFoundError:
        return False


def _is_locked(path: Path) -> bool:
    name = path.with_name(f".{path.name}.lock")
    try:
        descriptor = os.open(name, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(name: Path) -> str:
    try:
        return name.read_text() or "another process"
    except FileNotFoundError:
        return "another process"


def _temporaries_of(path: Path) -> list[Path]:
    matches = ((entry, _TEMPORARY.match(entry.name)) for entry in path.parent.iterdir())
    return [entry for entry, match in matches if match and match["name"] == path.name]
