"""How a file or folder under `results/` comes into being whole or not at all.

A writer holds the artifact's lock, fills a temporary name in the same folder, flushes it, and
renames it over the final name. `flock` is released by the kernel when a job is killed, on whatever
node, so a temporary whose lock can be taken has no live writer and may be swept.
"""

import errno
import fcntl
import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.tmp-[^/]+-\d+-\d+(\.[^.]+)?$")
_LOCK = re.compile(r"^\.(?P<name>.+)\.lock$")
_serial = itertools.count()

# Who looks for stale temporaries holds a lock for an instant: no reason for a writer to give up.
_PATIENCE_S, _PAUSE_S = 0.25, 0.01

_FREE = "free space there, then run snakemake again"
_LOCKS = "mount it with locks (NFS 4; Lustre with -o flock), or set `results` to another folder"
_TROUBLES = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("the quota of disk space is used up", _FREE),
    errno.EFBIG: ("the file is larger than this user's files may be", "raise `ulimit -f`"),
    errno.EROFS: (
        "the disk is mounted read-only",
        "mount it writable, or set `results` to another folder",
    ),
    errno.EACCES: ("access is denied", "let the user of this job read and write there"),
    errno.EPERM: ("access is denied", "let the user of this job read and write there"),
    errno.EIO: ("the disk cannot be read or written", "check the disk, then run snakemake again"),
    errno.ENOLCK: ("the file system has no locks", _LOCKS),
    errno.ENOSYS: ("the file system has no locks", _LOCKS),
    errno.EOPNOTSUPP: ("the file system has no locks", _LOCKS),
}


class StoreError(Exception):
    """What is wrong with a stored file, as one line: `FILE: WHAT; REMEDY`."""

    def __init__(self, path: Path | str, what: str, remedy: str):
        super().__init__(f"{path}: {what}; {remedy}")
        self.path, self.what, self.remedy = Path(path), what, remedy

    def __reduce__(self) -> tuple:
        return StoreError, (self.path, self.what, self.remedy)


def translate_os_error(error: OSError, path: Path | str) -> StoreError | None:
    """What the system's refusal means for `path`, with a remedy; None if it is not the disk's."""
    if error.errno not in _TROUBLES:
        return None
    return StoreError(path, *_TROUBLES[error.errno])


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
    descriptor = _acquire(name, _PATIENCE_S)
    if descriptor is None:
        raise StoreError(
            path,
            f"is being written by {_holder(name)}",
            "wait for that job, or end it, and run again",
        )
    try:
        yield
    finally:
        _release(name, descriptor)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` to fill, under the lock of `path`; whatever is left of it is removed.

    What killed writers of the same artifact left behind is removed first.

    Raises
    ------
    StoreError
        Another writer holds the lock, or the disk refuses: it is full, read-only, broken.
    """
    with translate_errors(path):
        _make_folder(path.parent)
        with lock(path):
            for stale in _temporaries_of(path):
                remove(stale)
            unfinished = temporary_name(path)
            try:
                yield unfinished
            finally:
                _clear(unfinished)


def _make_folder(folder: Path) -> None:
    """Make a folder with all above it, each flushed into the one that holds it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        fsync(path.parent)


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


def replace_all(pairs: list[tuple[Path, Path]]) -> None:
    """Give temporaries of one folder their names durably, in order; all of them or none.

    Parameters
    ----------
    pairs : (temporary, name), the one that vouches for the others last

    What bore the names gives way in the opposite order, so that the last name never stands beside
    what is not its own, and comes back if anything fails. Who is killed in between leaves the last
    name missing.
    """
    folder = pairs[-1][1].parent
    aside = {name: temporary_name(name) for _, name in reversed(pairs) if name.exists()}
    try:
        for name, old in aside.items():
            name.rename(old)
            fsync(folder)
        for unfinished, name in pairs:
            unfinished.rename(name)
            if name != pairs[-1][1]:
                fsync(folder)
    except BaseException:
        _put_back([name for _, name in pairs], aside)
        raise
    try:
        fsync(folder)
    finally:
        for old in aside.values():
            _clear(old)


def _put_back(names: list[Path], aside: dict[Path, Path]) -> None:
    """Undo a half-done `replace_all`: whatever bore the names before bears them again."""
    for name in reversed(names):
        if name not in aside or aside[name].exists():
            remove(name)
    for name in names:
        if name in aside and aside[name].exists():
            aside[name].rename(name)
            # A disk that flushes nothing any more must not keep the others from coming back.
            with suppress(OSError):
                fsync(name.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder with all below it; nothing happens if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what no reader sees; what resists is left to the next writer, or to `sweep`.

    After a failed write, Zarr's other threads may still be adding files.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return remove(path)
        except OSError:
            if time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE_S)


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


def garbage_collect(root: Path) -> list[Path]:
    """Remove the temporaries and locks under `root` that killed writers left; return the former."""
    swept = []
    for path in stale_temporaries(root):
        artifact = path.with_name(_TEMPORARY.match(path.name)["name"])  # type: ignore[index]
        # Its writer may have begun again since the look.
        with suppress(StoreError), lock(artifact):
            remove(path)
            swept.append(path)
    for parent, _, names in os.walk(root):
        for path in (Path(parent, name) for name in names if _LOCK.match(name)):
            descriptor = _acquire(path, patience=0)
            if descriptor is not None:
                _release(path, descriptor)
    return swept


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a StoreError about `path`."""
    try:
        yield
    except OSError as error:
        known = translate_os_error(error, path)
        if known is None:
            raise
        raise known from error


def _acquire(name: Path, patience: float) -> int | None:
    """A descriptor that holds the lock file `name`; None if another keeps it for `patience` s."""
    deadline = time.monotonic() + patience
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file between our open and our lock.
            if _is_same_file(descriptor, name):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= deadline:
                return None
            time.sleep(_PAUSE_S)
        except OSError:
            _release(name, descriptor)
            raise


def _release(name: Path, descriptor: int) -> None:
    try:
        name.unlink(missing_ok=True)
    finally:
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
