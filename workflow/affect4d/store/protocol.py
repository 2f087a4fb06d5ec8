"""How a file or folder under `results/` is written completely or not at all.

A writer holds the artifact's lock, fills a temporary name in the same folder, flushes it, and
renames it over the final name. `flock` is released by the kernel when a job is killed, on whatever
node, so a temporary whose lock can be taken has no live writer and may be removed.
"""

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

from affect4d.store.build_root import check_folders, walk_build
from affect4d.store.errors import StoreError as StoreError
from affect4d.store.errors import translate_errors as translate_errors
from affect4d.store.errors import translate_os_error as translate_os_error
from affect4d.store.regular import open_regular, read_regular

_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.tmp-[^/]+-\d+-\d+(\.[^.]+)?$")
LIST = ".written-by-affect4d"  # in a folder that a rule replaces: the files written into it
_LOCK = re.compile(r"^\.(?P<name>.+)\.lock$")
_HOLDER = re.compile(rb"process \d+ on \S+")  # what a writer writes into its lock
_MAX_HOLDER_BYTES = 400  # NAME_MAX, the longest host name, and a process number
_serial = itertools.count()

# A search for stale temporaries holds a lock for an instant: a writer waits that long for it.
_LOCK_TIMEOUT_S, _RETRY_INTERVAL_S = 0.25, 0.01


def fsync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY) if path.is_dir() else open_regular(path)
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
    """Whether the name is that of a writer's temporary file or folder, of a lock or of a list."""
    return bool(_TEMPORARY.match(path.name) or _LOCK.match(path.name) or path.name == LIST)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the exclusive lock for writing the artifact `path`.

    Raises
    ------
    StoreError
        Another writer holds it, in this process or any other; or what has the lock's name is no
        lock, or a folder between the path and the build's root is a link.
    """
    check_folders(path)
    name = path.with_name(f".{path.name}.lock")
    with translate_errors(name):
        descriptor = _acquire(name, _LOCK_TIMEOUT_S)
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
    """Yield a temporary path beside `path`, under the lock of `path`, and remove it afterwards.

    Temporaries that killed writers of the same artifact left are removed first.

    Raises
    ------
    StoreError
        Another writer holds the lock, or the disk is full, read-only or broken.
    """
    with translate_errors(path):
        check_folders(path)
        _make_folder(path.parent)
        with lock(path):
            for stale in _temporaries_of(path):
                remove(stale)
            unfinished = temporary_name(path)
            try:
                yield unfinished
            finally:
                _remove_if_possible(unfinished)


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, and flush each into its own parent."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        fsync(path.parent)


def temporary_name(path: Path) -> Path:
    """An unused name in the folder of `path`, of host, process and serial number; suffixes stay."""
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
    """Rename temporaries of one folder to their final names durably, in order; all of them or none.

    Parameters
    ----------
    pairs : (temporary, final name); the manifest, which describes the others, last

    The previous files are renamed away in reverse order, so that a manifest is never beside data
    that it does not describe, and are renamed back if anything fails. A process that is killed in
    between leaves no manifest.
    """
    folder = pairs[-1][1].parent
    previous = {name: temporary_name(name) for _, name in reversed(pairs) if name.exists()}
    try:
        for name, old in previous.items():
            name.rename(old)
            fsync(folder)
        for unfinished, name in pairs:
            unfinished.rename(name)
            if name != pairs[-1][1]:
                fsync(folder)
    except BaseException:
        _restore([name for _, name in pairs], previous)
        raise
    try:
        fsync(folder)
    finally:
        for old in previous.values():
            _remove_if_possible(old)


def _restore(names: list[Path], previous: dict[Path, Path]) -> None:
    """Undo a partial `replace_all`: the previous files get their names back."""
    for name in reversed(names):
        if name not in previous or previous[name].exists():
            remove(name)
    for name in names:
        if name in previous and previous[name].exists():
            previous[name].rename(name)
            # Where the disk can no longer flush, the other files are still restored.
            with suppress(OSError):
                fsync(name.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder with all below it; nothing happens if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_if_possible(path: Path) -> None:
    """Remove a temporary; on failure it is left to the next writer or to `garbage_collect`.

    After a failed write, Zarr's other threads may still be adding files.
    """
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            return remove(path)
        except OSError:
            if time.monotonic() >= deadline:
                return
            time.sleep(_RETRY_INTERVAL_S)


def stale_temporaries(root: Path) -> list[Path]:
    """The temporaries under `root`, at any depth, that no live writer holds; sorted."""
    stale = []
    for parent, folders, files in walk_build(root):
        for name in folders + files:
            match = _TEMPORARY.match(name)
            if match and not _is_locked(Path(parent, match["name"])):
                stale.append(Path(parent, name))
        folders[:] = [name for name in folders if not _TEMPORARY.match(name)]
    return sorted(stale)


def garbage_collect(root: Path) -> list[Path]:
    """Remove the temporaries and locks under `root` that killed writers left; return the former."""
    removed = []
    for path in stale_temporaries(root):
        artifact = path.with_name(_TEMPORARY.match(path.name)["name"])  # type: ignore[index]
        # Another writer of the artifact may have started since.
        with suppress(StoreError), lock(artifact):
            remove(path)
            removed.append(path)
    for parent, _, names in walk_build(root):
        for path in (Path(parent, name) for name in names if _LOCK.match(name)):
            # What has the name of a lock and is none, or has nothing to lock, is not ours.
            with suppress(StoreError, OSError):
                if not (path.lstat().st_size or _has_artifact(path)):
                    continue
                descriptor = _acquire(path, timeout=0)
                if descriptor is not None:
                    _release(path, descriptor)
    return removed


def _acquire(name: Path, timeout: float) -> int | None:
    """A descriptor that holds the lock file `name`; None if another does for `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        descriptor = open_regular(name, os.O_RDWR | os.O_CREAT)
        try:
            _check_lock(name, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file between our open and our lock.
            if _is_same_file(descriptor, name):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            is_searched = _can_share(descriptor)
            os.close(descriptor)
            if not is_searched and time.monotonic() >= deadline:
                return None
            time.sleep(_RETRY_INTERVAL_S)
        except StoreError:
            os.close(descriptor)
            raise
        except OSError:
            _release(name, descriptor)
            raise


def _can_share(descriptor: int) -> bool:
    """Whether only searches for stale temporaries hold the lock: they share it, for an instant."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_artifact(name: Path) -> bool:
    """Whether that of which a lock has the name is there, or was a moment ago."""
    artifact = name.with_name(_LOCK.match(name.name)["name"])  # type: ignore[index]
    manifest = artifact.with_name(artifact.name.removesuffix(".zarr") + ".manifest.json")
    return artifact.exists() or manifest.exists()


def is_lock(path: Path) -> bool:
    """Whether a file is what a writer leaves as its lock."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return False
    try:
        _check_lock(path, descriptor)
    except StoreError:
        return False
    finally:
        os.close(descriptor)
    return True


def _check_lock(name: Path, descriptor: int) -> None:
    """Raise a StoreError where a file is not what a writer left as its lock."""
    content = os.pread(descriptor, _MAX_HOLDER_BYTES, 0)
    if content and not _HOLDER.fullmatch(content):
        raise StoreError(name, "is not a lock of this program", "move it away, then run again")


def _release(name: Path, descriptor: int) -> None:
    try:
        name.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_same_file(descriptor: int, name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), name.lstat())
    except FileNotFoundError:
        return False


def _is_locked(path: Path) -> bool:
    name = path.with_name(f".{path.name}.lock")
    try:
        descriptor = open_regular(name)
    except OSError:  # there is no lock, or what has its name is none
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
        return read_regular(name).decode() or "another process"
    except OSError:
        return "another process"


def _temporaries_of(path: Path) -> list[Path]:
    matches = ((entry, _TEMPORARY.match(entry.name)) for entry in path.parent.iterdir())
    return [entry for entry, match in matches if match and match["name"] == path.name]
